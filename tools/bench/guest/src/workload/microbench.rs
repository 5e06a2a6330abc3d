// SPDX-License-Identifier: GPL-2.0

//! The microbenchmark of 2021: map 1000 pages, touch some of them, unmap. Each round is one sample.
//!
//! `mmap()` aligns to huge pages only what is as long as some of them, so that the pages which are touched first get no large
//! folio, whatever the setting. Hence the same once more with 1024 pages, which are aligned.

use crate::bench::{Bench, Case};
use crate::kernel::{self, HugePages};
use crate::source::Source;
use anyhow::Result;
use record::{Content, Measure, Way, Workload};
use refmap::page_size;

/// What is mapped.
#[derive(Clone, Copy)]
struct Layout {
    /// What is added to the name of the case.
    mark: &'static str,
    /// Pages of a mapping.
    pages: usize,
    /// Pages that are touched, one store each.
    touches: [usize; 3],
    ways: &'static [Way],
}

/// 4,096,000 bytes where a page has 4 KiB.
const USUAL: Layout = Layout {
    mark: "",
    pages: 1000,
    touches: [1, 500, 1000],
    ways: &[Way::Memset, Way::UffdThread, Way::UffdSigbus, Way::Memfd, Way::Refpage],
};
/// Whole huge pages. The other ways get no large folios.
const ALIGNED: Layout =
    Layout { mark: ", aligned", pages: 1024, touches: [1, 512, 1024], ways: &[Way::Memset, Way::Refpage] };

/// Runs all rows.
pub fn run(bench: &mut Bench) -> Result<()> {
    setting(bench, &HugePages::NEVER, USUAL, &Content::PATTERNS)?;
    for huge in [HugePages::FOLIOS_64K, HugePages::ALWAYS] {
        for layout in [USUAL, ALIGNED] {
            setting(bench, &huge, layout, bench.args.pick(&[Content::Byte][..], &Content::PATTERNS))?;
        }
    }
    HugePages::DEFAULT.set()
}

fn setting(bench: &mut Bench, huge: &HugePages, layout: Layout, contents: &[Content]) -> Result<()> {
    let name = format!("touch, {}{}", huge.name, layout.mark);
    let first = Case { workload: Workload::Microbench, name: &name, size: 0, way: Way::Plain, content: Content::None };
    if let Err(error) = huge.set() {
        return bench.missing(first, Measure::Time, &format!("{error:#}"));
    }
    for touch in layout.touches {
        row(bench, layout, Case { size: touch, ..first })?;
        for &content in contents {
            for &way in layout.ways {
                row(bench, layout, Case { size: touch, way, content, ..first })?;
            }
        }
    }
    Ok(())
}

fn row(bench: &mut Bench, layout: Layout, case: Case<'_>) -> Result<()> {
    bench.attempt(case, |bench| {
        let source = Source::new(case.way, case.content, layout.pages * page_size(), bench.args.seed)?;
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
        let (resident, folios) = (kernel::resident()?, kernel::large_folios()?);
        let mut mapping = source.map()?;
        mapping.store_pages(case.size);
        // At the end of a round: before, there is less of it.
        bench.exact(case, Measure::PeakRss, kernel::resident()? - resident)?;
        bench.exact(case, Measure::LargeFolios, kernel::large_folios()? - folios)
    })
}

fn round(source: &Source, touch: usize) -> Result<()> {
    source.map()?.store_pages(touch);
    Ok(())
}
