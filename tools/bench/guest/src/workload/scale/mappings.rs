// SPDX-License-Identifier: GPL-2.0

//! Many mappings, of one page each and of one reference page.

use super::place::Place;
use super::{case, fork_rounds, forks};
use crate::bench::{Bench, Case};
use crate::cgroup::Cgroup;
use crate::kernel;
use crate::mapping::{Backing, Mapping};
use crate::source::Source;
use anyhow::Result;
use record::{Content, Measure, Way};
use refmap::page_size;

/// Numbers of mappings.
const COUNTS: [usize; 5] = [1, 10, 100, 1000, 10_000];
/// From here on, what the kernel holds for each is more than the memory controller's own steps.
const COUNTABLE: usize = 1000;
/// Mappings that the kernel may put side by side.
const ADJACENT: usize = 1000;

const SUBJECTS: [(Way, Content); 4] = [
    (Way::Plain, Content::None),
    (Way::Memfd, Content::Byte),
    (Way::Refpage, Content::Byte),
    (Way::RefpageOfRefpage, Content::Byte),
];

/// Runs all rows.
pub fn run(bench: &mut Bench) -> Result<()> {
    for (way, content) in SUBJECTS {
        for count in COUNTS {
            let case = case(way, content, count);
            bench.attempt(case.named("mmap, apart"), |bench| apart(bench, case))?;
        }
        let case = case(way, content, ADJACENT);
        bench.attempt(case.named("mmap, adjacent"), |bench| adjacent(bench, case))?;
    }
    Ok(())
}

fn apart(bench: &mut Bench, case: Case<'_>) -> Result<()> {
    let source = Source::new(case.way, case.content, page_size(), bench.args.seed)?;
    rows(bench, case, ["mmap, apart", "fork, apart", "exit, apart", "munmap, apart"], |_| source.backing())
}

/// Maps pages apart from each other, forks, and unmaps them; the backing is that of each page by its number.
pub fn rows<'a>(
    bench: &mut Bench,
    case: Case<'_>,
    [map, fork, exit, munmap]: [&'static str; 4],
    backing: impl Fn(usize) -> Result<Backing<'a>>,
) -> Result<()> {
    let mut maps = Vec::with_capacity(case.size);
    let mut mappings = Vec::with_capacity(case.size);
    let before = Census::take(case.size)?;
    // Last, so that nothing else is mapped there meanwhile.
    let place = Place::find(case.size)?;
    for index in 0..case.size {
        let (time, mapping) = map_at(bench, backing(index)?, place.address(index));
        mappings.push(mapping?);
        maps.push(time);
    }
    let grown = Census::take(case.size)?.since(&before);
    bench.samples(case.named(map), Measure::Time, maps)?;
    grown.say(bench, case.named(map))?;
    let rounds = fork_rounds(bench, case.size);
    forks(bench, case.named(fork), case.named(exit), rounds)?;
    unmap(bench, case.named(munmap), mappings)
}

fn adjacent(bench: &mut Bench, case: Case<'_>) -> Result<()> {
    let source = Source::new(case.way, case.content, page_size(), bench.args.seed)?;
    let _standing = source.map()?;
    let mut maps = Vec::with_capacity(case.size);
    let mut mappings = Vec::with_capacity(case.size);
    let before = Census::take(case.size)?;
    for _ in 0..case.size {
        let (time, mapping) = bench.clock.time(|| Mapping::new(source.backing()?, page_size()));
        mappings.push(mapping?);
        maps.push(time);
    }
    let grown = Census::take(case.size)?.since(&before);
    bench.samples(case.named("mmap, adjacent"), Measure::Time, maps)?;
    grown.say(bench, case.named("mmap, adjacent"))?;
    unmap(bench, case.named("munmap, adjacent"), mappings)
}

#[inline(always)]
fn map_at(bench: &Bench, backing: Backing<'_>, place: usize) -> (f64, Result<Mapping>) {
    bench.clock.time(|| Mapping::at(backing, page_size(), place))
}

/// Unmaps one after the other.
fn unmap(bench: &mut Bench, case: Case<'_>, mappings: Vec<Mapping>) -> Result<()> {
    let clock = bench.clock;
    let samples = mappings.into_iter().map(|mapping| clock.time(|| drop(mapping)).0).collect();
    bench.samples(case, Measure::Time, samples)
}

/// What the kernel holds for this process.
struct Census {
    kernel: Option<Result<f64, String>>,
    captured: Result<f64, String>,
    areas: f64,
}

impl Census {
    /// Counts; kernel memory only where there will be as many things that it can be told for each.
    fn take(count: usize) -> Result<Self> {
        let told = |result: Result<f64>| result.map_err(|error| format!("{error:#}"));
        let countable = count >= COUNTABLE;
        Ok(Self {
            kernel: countable.then(|| told(Cgroup::enter().and_then(|group| group.kernel()))),
            captured: told(kernel::counter("nr_refpage")),
            areas: kernel::areas()?,
        })
    }

    /// What came in addition since an earlier count.
    fn since(self, before: &Self) -> Self {
        let grown = |now: Result<f64, String>, before: &Result<f64, String>| Ok(now? - before.clone()?);
        Self {
            kernel: self.kernel.zip(before.kernel.as_ref()).map(|(now, before)| grown(now, before)),
            captured: grown(self.captured, &before.captured),
            areas: self.areas - before.areas,
        }
    }

    /// Says it, kernel memory for each of the case's things.
    fn say(self, bench: &mut Bench, case: Case<'_>) -> Result<()> {
        bench.exact(case, Measure::Areas, self.areas)?;
        match self.captured {
            Ok(pages) => bench.exact(case, Measure::Captured, pages)?,
            Err(why) => bench.missing(case, Measure::Captured, &why)?,
        }
        match self.kernel {
            None => Ok(()),
            Some(Ok(bytes)) => bench.exact(case, Measure::Kernel, bytes / case.size as f64),
            Some(Err(why)) => bench.missing(case, Measure::Kernel, &why),
        }
    }
}
