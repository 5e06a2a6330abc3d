// SPDX-License-Identifier: GPL-2.0

//! Page faults, one at a time: the first load of a page, the first store, a store after a load.

use crate::bench::{Bench, Case};
use crate::clock::{self, Clock};
use crate::mapping::Mapping;
use crate::source::Source;
use anyhow::Result;
use record::{Content, Measure, Way, Workload};
use refmap::page_size;

/// Pages of a mapping.
const PAGES: usize = 2048;

/// An access that is measured.
#[derive(Clone, Copy)]
enum Access {
    FirstLoad,
    FirstStore,
    StoreAfterLoad,
}

impl Access {
    const ALL: [Self; 3] = [Self::FirstLoad, Self::FirstStore, Self::StoreAfterLoad];

    const fn name(self) -> &'static str {
        match self {
            Self::FirstLoad => "first load",
            Self::FirstStore => "first store",
            Self::StoreAfterLoad => "store after load",
        }
    }
}

/// Runs all rows: for each access the ways by turns, so that all of them see the same machine.
pub fn run(bench: &mut Bench) -> Result<()> {
    for access in Access::ALL {
        let mut rows = Vec::new();
        for (way, content) in subjects() {
            let case = Case { workload: Workload::Fault, name: access.name(), size: 0, way, content };
            match Source::new(way, content, PAGES * page_size(), bench.args.seed) {
                Ok(source) => rows.push((case, source, Vec::new())),
                Err(error) => bench.missing(case, Measure::Time, &format!("{error:#}"))?,
            }
        }
        for _ in 0..bench.args.pick(2, 10) {
            for (_, source, samples) in &mut rows {
                samples.extend(sample(&bench.clock, access, source.map()?));
            }
        }
        for (case, _, samples) in rows {
            bench.samples(case, Measure::Time, samples)?;
        }
    }
    Ok(())
}

fn subjects() -> Vec<(Way, Content)> {
    let others = [Way::UffdThread, Way::UffdSigbus, Way::Memfd].map(|way| (way, Content::Byte));
    let refpages = Content::PATTERNS.map(|content| (Way::Refpage, content));
    [(Way::Plain, Content::None)].into_iter().chain(others).chain(refpages).collect()
}

fn sample(clock: &Clock, access: Access, mut mapping: Mapping) -> Vec<f64> {
    if matches!(access, Access::StoreAfterLoad) {
        mapping.load_pages(PAGES);
    }
    let mut samples = vec![0.0; PAGES];
    // From the last page to the first: loads that go up are served ahead, which leaves little to measure.
    for (page, sample) in samples.iter_mut().enumerate().rev() {
        let offset = page * page_size();
        let start = clock::now();
        match access {
            Access::FirstLoad => drop(mapping.load(offset)),
            Access::FirstStore | Access::StoreAfterLoad => mapping.store(offset, 0),
        }
        *sample = clock.between(start, clock::now());
    }
    samples
}
