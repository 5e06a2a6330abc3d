// SPDX-License-Identifier: GPL-2.0

//! Many contents in one process: a mapping of one page for each.

use super::{case, mappings};
use crate::bench::{Bench, Case};
use crate::content;
use crate::kernel;
use crate::mapping::{Backing, Mapping};
use anyhow::{Result, anyhow};
use record::{Content, Way};
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
    let names = ["mmap, contents", "fork, contents", "exit, contents", "munmap, contents"];
    mappings::rows(bench, case, names, |index| Ok(Backing::Reference(references.address() + index * page_size())))
}

/// Pages that all differ.
fn references(count: usize, seed: u64) -> Result<Mapping> {
    let pages = (0..count as u64).flat_map(|index| content::page(Content::Page, page_size(), seed + index));
    Mapping::filled(&pages.collect::<Vec<u8>>())
}
