// SPDX-License-Identifier: GPL-2.0

//! How costs grow with the number of pages, of mappings and of contents.

mod captured;
mod contents;
mod mappings;
mod pages;
mod place;

use crate::bench::{Bench, Case};
use crate::child;
use anyhow::Result;
use record::{Measure, Workload};

/// Runs all rows.
pub fn run(bench: &mut Bench) -> Result<()> {
    captured::run(bench)?;
    mappings::run(bench)?;
    contents::run(bench)?;
    pages::run(bench)
}

/// A case of this workload without its name.
fn case(way: record::Way, content: record::Content, size: usize) -> Case<'static> {
    Case { workload: Workload::Scale, name: "", size, way, content }
}

/// How often to fork while there are so many areas: few samples have no firm median, and many areas take long.
fn fork_rounds(bench: &Bench, areas: usize) -> usize {
    bench.args.pick(if areas < 10_000 { 15 } else { 3 }, 25)
}

/// Says what fork and exit cost while the memory is as it is.
fn forks(bench: &mut Bench, fork: Case<'_>, exit: Case<'_>, rounds: usize) -> Result<()> {
    let (mut forks, mut exits) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let times = child::fork_and_exit(&bench.clock)?;
        forks.push(times.fork);
        exits.push(times.exit);
    }
    bench.samples(fork, Measure::Time, forks)?;
    bench.samples(exit, Measure::Time, exits)
}
