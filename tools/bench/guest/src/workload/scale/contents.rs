// SPDX-License-Identifier: GPL-2.0

//! Many contents in one process: a mapping of one page for each.

use super::mappings::{Census, unmap};
use super::place::Place;
use super::{case, fork_rounds, forks};
use crate::bench::{Bench, Case};
use crate::content;
use crate::kernel;
use crate::mapping::{Backing, Mapping};
use anyhow::{Result, anyhow};
use record::{Content, Measure, Way};
use refmap::page_size;

/// Numbers of contents.
const COUNTS: [usize; 4] = [1, 10, 100, 1000];

/// Runs all rows.
pub fn run(bench: &mut Bench) -> Result<()> {
    for count in COUNTS {
        let case = case(Way::Refpage, Content::Page, count);
        bench.attempt(case.named("mmap, contents"), |bench| rows(bench, case))?;
    }
    Ok(())
}

fn rows(bench: &mut Bench, case: Case<'_>) -> Result<()> {
    kernel::has_refpage().map_err(|why| anyhow!(why))?;
    let references = references(case.size, bench.args.seed)?;
    let mut maps = Vec::with_capacity(case.size);
    let mut mappings = Vec::with_capacity(case.size);
    let before = Census::take(case.size)?;
    // Last, so that nothing else is mapped there meanwhile.
    let place = Place::find(case.size)?;
    for (index, reference) in (references.address()..).step_by(page_size()).take(case.size).enumerate() {
        let place = place.address(index);
        let (time, mapping) = bench.clock.time(|| Mapping::at(Backing::Reference(reference), page_size(), place));
        mappings.push(mapping?);
        maps.push(time);
    }
    let grown = Census::take(case.size)?.since(&before);
    bench.samples(case.named("mmap, contents"), Measure::Time, maps)?;
    grown.say(bench, case.named("mmap, contents"))?;
    let rounds = fork_rounds(bench, case.size);
    forks(bench, case.named("fork, contents"), case.named("exit, contents"), rounds)?;
    unmap(bench, case.named("munmap, contents"), mappings)
}

/// Pages that all differ.
fn references(count: usize, seed: u64) -> Result<Mapping> {
    let pages = (0..count as u64).flat_map(|index| content::page(Content::Page, page_size(), seed + index));
    Mapping::filled(&pages.collect::<Vec<u8>>())
}
