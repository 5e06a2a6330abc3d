// SPDX-License-Identifier: GPL-2.0

//! Page faults, one at a time: the first load of a page, the first store, a store after a load. A first store for each size
//! of the folio that it gets.

use crate::bench::{Bench, Case};
use crate::clock::Clock;
use crate::kernel::{self, HugePages};
use crate::mapping::Mapping;
use crate::source::Source;
use anyhow::{Result, ensure};
use record::{Content, Fault, Measure, Way, Workload};
use refmap::page_size;

/// Bytes of a mapping for each kind of fault but those of huge pages, and for these.
const LEN: usize = 8 << 20;
const HUGE_LEN: usize = 64 << 20;

/// How a page fault comes about.
struct Setting {
    fault: Fault,
    huge: HugePages,
    /// Bytes of the folio that the fault gets; none where there is a page at most.
    folio: Option<usize>,
}

/// Runs all rows.
pub fn run(bench: &mut Bench) -> Result<()> {
    for setting in Fault::ALL.map(Setting::of) {
        let name = setting.fault.name();
        let case = Case { workload: Workload::Fault, name, size: 0, way: Way::Plain, content: Content::None };
        bench.attempt(case, |bench| {
            setting.huge.set()?;
            rows(bench, &setting, case)
        })?;
    }
    HugePages::DEFAULT.set()
}

/// The ways by turns, so that all of them see the same machine. The first turn, which finds code and memory cold, is not
/// counted.
fn rows(bench: &mut Bench, setting: &Setting, case: Case<'_>) -> Result<()> {
    let mut rows = Vec::new();
    for (way, content) in subjects(setting) {
        let case = Case { way, content, ..case };
        match Source::new(way, content, setting.len(), bench.args.seed) {
            Ok(source) => rows.push((case, source, Vec::new())),
            Err(error) => bench.missing(case, Measure::Time, &format!("{error:#}"))?,
        }
    }
    for turn in 0..=bench.args.pick(2, 10) {
        for (_, source, samples) in &mut rows {
            let taken = setting.sample(&bench.clock, source.map()?)?;
            samples.extend(taken.into_iter().filter(|_| turn > 0));
        }
    }
    for (case, _, samples) in rows {
        bench.samples(case, Measure::Time, samples)?;
    }
    Ok(())
}

/// Other ways than the kernel's get no large folios.
fn subjects(setting: &Setting) -> Vec<(Way, Content)> {
    let others = [Way::UffdThread, Way::UffdSigbus, Way::Memfd].map(|way| (way, Content::Byte));
    let others = others.into_iter().filter(|_| setting.folio.is_none());
    let refpages = Content::PATTERNS.map(|content| (Way::Refpage, content));
    [(Way::Plain, Content::None)].into_iter().chain(others).chain(refpages).collect()
}

impl Setting {
    fn of(fault: Fault) -> Self {
        let (huge, folio) = match fault {
            Fault::FirstLoad | Fault::FirstStore | Fault::StoreAfterLoad => (HugePages::DEFAULT, None),
            Fault::FirstStore16K => (HugePages::FOLIOS_16K, Some(16 << 10)),
            Fault::FirstStore64K => (HugePages::FOLIOS_64K, Some(64 << 10)),
            Fault::FirstStore2M => (HugePages::ALWAYS, Some(2 << 20)),
        };
        Self { fault, huge, folio }
    }

    fn len(&self) -> usize {
        if self.folio.is_some_and(|folio| folio > LEN / 16) { HUGE_LEN } else { LEN }
    }

    fn sample(&self, clock: &Clock, mut mapping: Mapping) -> Result<Vec<f64>> {
        if self.fault == Fault::StoreAfterLoad {
            mapping.load_pages(mapping.pages());
        }
        let step = self.folio.unwrap_or_else(page_size);
        ensure!(mapping.address() % step == 0, "the mapping begins in the middle of a folio");
        // Stored to before the count begins: this is memory, too, and may get a large folio.
        let mut samples = vec![f64::NAN; self.len() / step];
        let before = kernel::large_folios()?;
        // From the last page to the first: loads that go up are served ahead, which leaves little to measure.
        for (index, sample) in samples.iter_mut().enumerate().rev() {
            let offset = index * step;
            let (taken, ()) = clock.time(|| match self.fault {
                Fault::FirstLoad => drop(mapping.load(offset)),
                _ => mapping.store(offset, 0),
            });
            *sample = taken;
        }
        let got = kernel::large_folios()? - before;
        let wanted = if self.folio.is_some() { samples.len() as f64 } else { 0.0 };
        ensure!(got == wanted, "{got} large folios in {} faults", samples.len());
        Ok(samples)
    }
}
