// SPDX-License-Identifier: GPL-2.0

//! The microbenchmark of 2021: map 1000 pages, touch some of them, unmap. Each round is one sample.

use crate::bench::{Bench, Case};
use crate::kernel::{self, HugePages};
use crate::source::Source;
use anyhow::Result;
use record::{Content, Measure, Way, Workload};
use refmap::page_size;

/// Pages of a mapping; 4,096,000 bytes where a page has 4 KiB.
const PAGES: usize = 1000;
/// Pages that are touched, one store each.
const TOUCHES: [usize; 3] = [1, 500, 1000];

const WAYS: [Way; 5] = [Way::Memset, Way::UffdThread, Way::UffdSigbus, Way::Memfd, Way::Refpage];

/// Runs all rows.
pub fn run(bench: &mut Bench) -> Result<()> {
    setting(bench, HugePages::NEVER, &Content::PATTERNS)?;
    for huge in [HugePages::FOLIOS_64K, HugePages::ALWAYS] {
        setting(bench, huge, bench.args.pick(&[Content::Byte][..], &Content::PATTERNS))?;
    }
    HugePages::DEFAULT.set()
}

fn setting(bench: &mut Bench, huge: HugePages, contents: &[Content]) -> Result<()> {
    let name = format!("touch, {}", huge.name);
    let first = Case { workload: Workload::Microbench, name: &name, size: 0, way: Way::Plain, content: Content::None };
    if let Err(error) = huge.set() {
        return bench.missing(first, Measure::Time, &format!("{error:#}"));
    }
    for touch in TOUCHES {
        row(bench, Case { size: touch, ..first })?;
        for &content in contents {
            for way in WAYS {
                row(bench, Case { size: touch, way, content, ..first })?;
            }
        }
    }
    Ok(())
}

fn row(bench: &mut Bench, case: Case<'_>) -> Result<()> {
    bench.attempt(case, |bench| {
        let source = Source::new(case.way, case.content, PAGES * page_size(), bench.args.seed)?;
        let rounds = bench.args.pick(8, 50);
        // The first round loads the code and builds page tables that later rounds find.
        round(&source, case.size)?;
        let mut samples = Vec::with_capacity(rounds);
        for _ in 0..rounds {
            let (time, done) = bench.clock.time(|| round(&source, case.size));
            done?;
            samples.push(time);
        }
        bench.samples(case, Measure::Time, samples)?;
        bench.exact(case, Measure::PeakRss, grown(&source, case.size)?)
    })
}

/// Resident memory that a round adds, at its end: before, there is less of it.
fn grown(source: &Source, touch: usize) -> Result<f64> {
    let before = kernel::resident()?;
    let mut mapping = source.map()?;
    mapping.store_pages(touch);
    Ok(kernel::resident()? - before)
}

fn round(source: &Source, touch: usize) -> Result<()> {
    source.map()?.store_pages(touch);
    Ok(())
}
