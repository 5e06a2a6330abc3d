// SPDX-License-Identifier: GPL-2.0

//! Loads from memory that was never written, and stores after them, for each setting of huge pages. They tell which way
//! of serving a first load pays: a page at a time, some around it as well, or a huge page at once.

use crate::bench::{Bench, Case};
use crate::kernel::{self, HugePages};
use crate::mapping::Mapping;
use crate::source::Source;
use anyhow::Result;
use fastrand::Rng;
use record::{Content, Measure, Way, Workload};
use refmap::page_size;

/// The content of the last one is held by another mapping, as in a process that maps it again and again.
const WAYS: [Way; 3] = [Way::Plain, Way::Refpage, Way::RefpageOfRefpage];
/// Bytes of a small mapping. `mmap()` aligns it to huge pages, like the large one.
const SMALL: usize = 2 << 20;

const SETTINGS: [HugePages; 4] = [HugePages::NEVER, HugePages::FOLIOS_16K, HugePages::FOLIOS_64K, HugePages::ALWAYS];

/// A program: what it is called, and what it does.
struct Reader {
    name: &'static str,
    work: fn(&mut Mapping, Rng),
}

const READERS: [Reader; 10] = [
    Reader { name: "load per 2 MiB", work: |memory, _| load_every(memory, 2 << 20) },
    Reader { name: "load per 64 KiB", work: |memory, _| load_every(memory, 64 << 10) },
    Reader { name: "load 1 % of pages", work: |memory, rng| load_some(memory, rng) },
    Reader { name: "load each page", work: |memory, _| load_every(memory, page_size()) },
    Reader { name: "load each cache line", work: |memory, _| load_every(memory, 64) },
    Reader { name: "store each page", work: |memory, _| store_all(memory) },
    Reader {
        name: "one load, then store each page",
        work: |memory, _| {
            memory.load(0);
            store_all(memory);
        },
    },
    Reader {
        name: "load per 64 KiB, then store each page",
        work: |memory, _| {
            load_every(memory, 64 << 10);
            store_all(memory);
        },
    },
    Reader {
        name: "load each page, then store each page",
        work: |memory, _| {
            load_every(memory, page_size());
            store_all(memory);
        },
    },
    Reader {
        name: "load each page, then store 1 %",
        work: |memory, rng| {
            load_every(memory, page_size());
            store_some(memory, rng);
        },
    },
];

/// Runs all rows.
pub fn run(bench: &mut Bench) -> Result<()> {
    let large = bench.args.pick(16 << 20, 64 << 20);
    for setting in &SETTINGS {
        setting.set()?;
        for size in [SMALL, large] {
            for reader in &READERS {
                for way in WAYS {
                    row(bench, setting, size, reader, way)?;
                }
            }
        }
    }
    HugePages::DEFAULT.set()
}

fn row(bench: &mut Bench, setting: &HugePages, size: usize, reader: &Reader, way: Way) -> Result<()> {
    let name = format!("{}, {}", reader.name, setting.name);
    if !bench.args.wants(&name) {
        return Ok(());
    }
    let content = if way == Way::Plain { Content::None } else { Content::Byte };
    let case = Case { workload: Workload::Reads, name: &name, size: size / page_size(), way, content };
    bench.attempt(case, |bench| {
        let rng = Rng::with_seed(bench.args.seed);
        let source = Source::new(way, content, size, bench.args.seed)?;
        // The first round finds what later ones find in place, such as the huge zero page.
        round(&source, reader, &rng)?;
        let mut times = Vec::new();
        for _ in 0..bench.args.pick(3, 5) {
            let (time, done) = bench.clock.time(|| round(&source, reader, &rng));
            done?;
            times.push(time);
        }
        bench.samples(case, Measure::Time, times)?;
        let grown = grown(&source, reader, &rng)?;
        bench.exact(case, Measure::PeakRss, grown.resident)?;
        bench.exact(case, Measure::PageTables, grown.tables)?;
        bench.exact(case, Measure::Faults, grown.faults)?;
        bench.exact(case, Measure::LargeFolios, grown.large_folios)?;
        bench.exact(case, Measure::HugeMapped, grown.huge_mapped)
    })
}

/// From `mmap()` to `munmap()`.
fn round(source: &Source, reader: &Reader, rng: &Rng) -> Result<()> {
    (reader.work)(&mut source.map()?, rng.clone());
    Ok(())
}

/// What a round adds until it unmaps.
struct Grown {
    resident: f64,
    tables: f64,
    faults: f64,
    large_folios: f64,
    huge_mapped: f64,
}

fn grown(source: &Source, reader: &Reader, rng: &Rng) -> Result<Grown> {
    let before = Grown::by_now()?;
    let mut mapping = source.map()?;
    let faults = kernel::faults()?;
    (reader.work)(&mut mapping, rng.clone());
    let faults = kernel::faults()? - faults;
    Ok(Grown { faults, ..Grown::by_now()?.since(&before) })
}

impl Grown {
    /// All there is, but page faults: looking at the others takes some.
    fn by_now() -> Result<Self> {
        Ok(Self {
            resident: kernel::resident()?,
            tables: kernel::page_tables()?,
            faults: 0.0,
            large_folios: kernel::large_folios()?,
            huge_mapped: kernel::huge_mapped()?,
        })
    }

    fn since(self, before: &Self) -> Self {
        Self {
            resident: self.resident - before.resident,
            tables: self.tables - before.tables,
            faults: self.faults - before.faults,
            large_folios: self.large_folios - before.large_folios,
            huge_mapped: self.huge_mapped - before.huge_mapped,
        }
    }
}

fn load_every(memory: &Mapping, step: usize) {
    for offset in (0..memory.len()).step_by(step) {
        memory.load(offset);
    }
}

fn load_some(memory: &Mapping, mut rng: Rng) {
    for _ in 0..memory.pages().div_ceil(100) {
        memory.load(rng.usize(..memory.len()));
    }
}

fn store_all(memory: &mut Mapping) {
    memory.store_pages(memory.pages());
}

fn store_some(memory: &mut Mapping, mut rng: Rng) {
    for _ in 0..memory.pages().div_ceil(100) {
        memory.store(rng.usize(..memory.len()), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_fault_as_they_are_named() {
        let faults = |name: &str| {
            let reader = READERS.iter().find(|reader| reader.name == name).unwrap();
            let source = Source::new(Way::Memfd, Content::Byte, SMALL, 1).unwrap();
            grown(&source, reader, &Rng::with_seed(1)).unwrap().faults
        };
        let pages = (SMALL / page_size()) as f64;
        // A file is mapped around the fault, so that loads give a bound, and stores the number.
        assert!((1.0..pages).contains(&faults("load per 64 KiB")));
        assert!(faults("store each page") >= pages);
    }
}
