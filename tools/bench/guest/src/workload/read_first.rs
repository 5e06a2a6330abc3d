// SPDX-License-Identifier: GPL-2.0

//! Programs that read memory before they write it, or never write it. They decide whether clean pages that share one
//! page earn their keep against memory that is filled at the first touch.

use crate::bench::{Bench, Case};
use crate::child;
use crate::kernel::{self, HugePages};
use crate::mapping::Mapping;
use crate::source::Source;
use anyhow::Result;
use fastrand::Rng;
use record::{Content, Measure, Way, Workload};
use refmap::page_size;

const WAYS: [Way; 7] =
    [Way::Memset, Way::Plain, Way::UffdThread, Way::UffdSigbus, Way::Memfd, Way::Refpage, Way::RefpageFilled];
/// The others get no huge pages.
const HUGE_WAYS: [Way; 4] = [Way::Memset, Way::Plain, Way::Refpage, Way::RefpageFilled];

/// Children of the fork server, one after the other.
const CHILDREN: usize = 8;
/// Loads of each child.
const CHILD_LOADS: usize = 512;
/// Objects that lie side by side on the heap, with a mark bit each.
const CLUSTER: usize = 64;
/// Each byte of the content.
const CONTENT: u8 = 0xaa;
/// The step of a sweep through the mark bitmap: a cache line.
const LINE: usize = 64;

/// A program: what it is called, how much memory it takes, and what it does with it.
struct Program {
    name: &'static str,
    pages: usize,
    forks: bool,
    work: fn(&mut Memory, Rng) -> Result<()>,
}

/// Runs all rows.
pub fn run(bench: &mut Bench) -> Result<()> {
    let pages = bench.args.pick(16_384, 65_536);
    let programs = [
        Program { name: "sparse reads over a table", pages, forks: false, work: sparse_reads },
        Program { name: "fork server whose children read", pages: pages / 16, forks: true, work: fork_server },
        Program { name: "mark bitmap of a collector", pages: pages / 16, forks: false, work: mark_bitmap },
    ];
    for (huge, ways) in [(HugePages::NEVER, &WAYS[..]), (HugePages::ALWAYS, &HUGE_WAYS)] {
        huge.set()?;
        for program in &programs {
            let name = format!("{}, {}", program.name, huge.name);
            for &way in ways {
                row(bench, program, &name, way)?;
            }
        }
    }
    HugePages::DEFAULT.set()
}

fn row(bench: &mut Bench, program: &Program, name: &str, way: Way) -> Result<()> {
    let content = if way == Way::Plain { Content::None } else { Content::Byte };
    let case = Case { workload: Workload::ReadFirst, name, size: program.pages, way, content };
    if program.forks && matches!(way, Way::UffdThread | Way::UffdSigbus) {
        return bench.missing(
            case,
            Measure::Time,
            "a child's faults would need UFFD_FEATURE_EVENT_FORK, which this has not",
        );
    }
    bench.attempt(case, |bench| {
        let source = Source::new(way, content, program.pages * page_size(), bench.args.seed)?;
        let (mut times, mut grown, mut tables) = (Vec::new(), 0.0f64, 0.0f64);
        for _ in 0..bench.args.pick(2, 5) {
            let cost = once(bench, program, &source, way)?;
            times.push(cost.time);
            grown = grown.max(cost.grown);
            tables = tables.max(cost.tables);
        }
        bench.samples(case, Measure::Time, times)?;
        bench.exact(case, Measure::PeakRss, grown)?;
        bench.exact(case, Measure::PageTables, tables)
    })
}

struct Cost {
    /// Nanoseconds.
    time: f64,
    /// Peak of resident memory of this process, in bytes.
    grown: f64,
    /// Page tables at the end, in bytes.
    tables: f64,
}

fn once(bench: &Bench, program: &Program, source: &Source, way: Way) -> Result<Cost> {
    let tables = kernel::page_tables()?;
    let before = kernel::resident()?;
    let rng = Rng::with_seed(bench.args.seed);
    let (time, memory) = bench.clock.time(|| -> Result<Memory> {
        let filled = (way == Way::RefpageFilled).then(|| vec![false; program.pages]);
        let mut memory = Memory { mapping: source.map()?, page_shift: page_size().trailing_zeros(), touched: filled };
        (program.work)(&mut memory, rng)?;
        Ok(memory)
    });
    let memory = memory?;
    let tables = kernel::page_tables()? - tables;
    // None of the programs gives memory back, so this is the peak.
    let grown = kernel::resident()? - before;
    drop(memory);
    Ok(Cost { time, grown, tables })
}

/// Memory of a program.
struct Memory {
    mapping: Mapping,
    /// Binary logarithm of the bytes of a page.
    page_shift: u32,
    /// The pages that were touched, where the first touch of each shall make a private page. An atomic access that changes
    /// nothing would not do: emulators load first.
    touched: Option<Vec<bool>>,
}

impl Memory {
    fn len(&self) -> usize {
        self.mapping.len()
    }

    /// Loads a byte that may lie in a page that was never touched.
    #[inline(always)]
    fn load(&mut self, offset: usize) -> u8 {
        if let Some(touched) = &mut self.touched {
            let page = offset >> self.page_shift;
            if !touched[page] {
                touched[page] = true;
                self.mapping.store(offset, CONTENT);
            }
        }
        self.mapping.load(offset)
    }
}

/// A quarter as many loads as the table has pages, anywhere.
fn sparse_reads(memory: &mut Memory, mut rng: Rng) -> Result<()> {
    for _ in 0..memory.len() / page_size() / 4 {
        memory.load(rng.usize(..memory.len()));
    }
    Ok(())
}

/// The server reads the first half of its table; each child reads anywhere.
fn fork_server(memory: &mut Memory, mut rng: Rng) -> Result<()> {
    let half = memory.len() / 2;
    for offset in (0..half).step_by(page_size()) {
        memory.load(offset);
    }
    for _ in 0..CHILDREN {
        let mut rng = rng.fork();
        child::run(|| {
            for _ in 0..CHILD_LOADS {
                let offset = rng.usize(..memory.len());
                // A page that the server touched is there already, in either design.
                if offset < half {
                    memory.mapping.load(offset)
                } else {
                    memory.load(offset)
                };
            }
        })?;
    }
    Ok(())
}

/// A collection marks clusters of objects in an eighth of the pages, then sweeps through all of the bitmap.
fn mark_bitmap(memory: &mut Memory, mut rng: Rng) -> Result<()> {
    for _ in 0..memory.len() / page_size() / 8 {
        let first = rng.usize(..memory.len() * 8 - CLUSTER);
        for bit in first..first + CLUSTER {
            let marks = memory.load(bit / 8);
            memory.mapping.store(bit / 8, marks | 1 << (bit % 8));
        }
    }
    for page in (0..memory.len()).step_by(page_size()) {
        memory.load(page);
        for offset in (page + LINE..page + page_size()).step_by(LINE) {
            memory.mapping.load(offset);
        }
    }
    Ok(())
}
