// SPDX-License-Identifier: GPL-2.0

//! Page faults, one at a time: the first load of a page, the first store, a store after a load. A first store for each size
//! of the folio that it gets.

use crate::bench::{Bench, Case};
use crate::clock::{self, Clock};
use crate::kernel::{self, HugePages};
use crate::mapping::Mapping;
use crate::source::Source;
use anyhow::{Result, ensure};
use record::{Content, Measure, Way, Workload};
use refmap::page_size;

/// Bytes of a mapping for each kind of fault but those of huge pages, and for these.
const LEN: usize = 8 << 20;
const HUGE_LEN: usize = 64 << 20;

/// An access that is measured.
#[derive(Clone, Copy)]
enum Access {
    FirstLoad,
    FirstStore,
    StoreAfterLoad,
}

/// A kind of page fault.
struct Fault {
    name: &'static str,
    access: Access,
    huge: HugePages,
    /// Bytes of the folio that the fault gets; a page where there is none.
    folio: Option<usize>,
}

const FAULTS: [Fault; 6] = [
    Fault { name: "first load", access: Access::FirstLoad, huge: HugePages::DEFAULT, folio: None },
    Fault { name: "first store", access: Access::FirstStore, huge: HugePages::DEFAULT, folio: None },
    Fault { name: "store after load", access: Access::StoreAfterLoad, huge: HugePages::DEFAULT, folio: None },
    large("first store, 16 KiB", HugePages::FOLIOS_16K, 16 << 10),
    large("first store, 64 KiB", HugePages::FOLIOS_64K, 64 << 10),
    large("first store, 2 MiB", HugePages::ALWAYS, 2 << 20),
];

const fn large(name: &'static str, huge: HugePages, folio: usize) -> Fault {
    Fault { name, access: Access::FirstStore, huge, folio: Some(folio) }
}

/// Runs all rows.
pub fn run(bench: &mut Bench) -> Result<()> {
    for fault in &FAULTS {
        let case =
            Case { workload: Workload::Fault, name: fault.name, size: 0, way: Way::Plain, content: Content::None };
        bench.attempt(case, |bench| {
            fault.huge.set()?;
            rows(bench, fault, case)
        })?;
    }
    HugePages::DEFAULT.set()
}

/// The ways by turns, so that all of them see the same machine. The first turn, which finds code and memory cold, is not
/// counted.
fn rows(bench: &mut Bench, fault: &Fault, case: Case<'_>) -> Result<()> {
    let mut rows = Vec::new();
    for (way, content) in subjects(fault) {
        let case = Case { way, content, ..case };
        match Source::new(way, content, fault.len(), bench.args.seed) {
            Ok(source) => rows.push((case, source, Vec::new())),
            Err(error) => bench.missing(case, Measure::Time, &format!("{error:#}"))?,
        }
    }
    for turn in 0..=bench.args.pick(2, 10) {
        for (_, source, samples) in &mut rows {
            let taken = fault.sample(&bench.clock, source.map()?)?;
            samples.extend(taken.into_iter().filter(|_| turn > 0));
        }
    }
    for (case, _, samples) in rows {
        bench.samples(case, Measure::Time, samples)?;
    }
    Ok(())
}

/// Other ways than the kernel's get no large folios.
fn subjects(fault: &Fault) -> Vec<(Way, Content)> {
    let others = [Way::UffdThread, Way::UffdSigbus, Way::Memfd].map(|way| (way, Content::Byte));
    let others = others.into_iter().filter(|_| fault.folio.is_none());
    let refpages = Content::PATTERNS.map(|content| (Way::Refpage, content));
    [(Way::Plain, Content::None)].into_iter().chain(others).chain(refpages).collect()
}

impl Fault {
    fn len(&self) -> usize {
        if self.folio.is_some_and(|folio| folio > LEN / 16) { HUGE_LEN } else { LEN }
    }

    fn sample(&self, clock: &Clock, mut mapping: Mapping) -> Result<Vec<f64>> {
        if matches!(self.access, Access::StoreAfterLoad) {
            mapping.load_pages(mapping.pages());
        }
        let step = self.folio.unwrap_or_else(page_size);
        ensure!(mapping.address() % step == 0, "the mapping begins in the middle of a folio");
        let before = kernel::large_folios()?;
        let mut samples = vec![0.0; self.len() / step];
        // From the last page to the first: loads that go up are served ahead, which leaves little to measure.
        for (index, sample) in samples.iter_mut().enumerate().rev() {
            let offset = index * step;
            let start = clock::now();
            match self.access {
                Access::FirstLoad => drop(mapping.load(offset)),
                Access::FirstStore | Access::StoreAfterLoad => mapping.store(offset, 0),
            }
            *sample = clock.between(start, clock::now());
        }
        let got = kernel::large_folios()? - before;
        let wanted = if self.folio.is_some() { samples.len() as f64 } else { 0.0 };
        ensure!(got == wanted, "{got} large folios in {} faults", samples.len());
        Ok(samples)
    }
}
