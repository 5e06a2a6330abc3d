// SPDX-License-Identifier: GPL-2.0

//! One mapping of many pages: what mmap, munmap, fork and exit cost, untouched, read and written.

use super::place::Place;
use super::{case, forks};
use crate::bench::{Bench, Case};
use crate::mapping::Mapping;
use crate::source::Source;
use anyhow::Result;
use record::{Content, Measure, Way};
use refmap::page_size;

/// Numbers of pages, and how often each is measured.
const COUNTS: [(usize, usize); 7] =
    [(1, 20), (10, 20), (100, 20), (1000, 10), (10_000, 5), (100_000, 2), (1_000_000, 1)];
/// More written pages than this do not fit into the guest.
const WRITABLE: usize = 100_000;
/// A quick run has no more pages than this.
const QUICK: usize = 10_000;

/// What happened to all pages before they are unmapped.
#[derive(Clone, Copy)]
enum Touch {
    None,
    Read,
    Written,
}

/// Names of the cases of one [`Touch`].
struct Names {
    munmap: &'static str,
    fork: &'static str,
    exit: &'static str,
}

impl Touch {
    const ALL: [Self; 3] = [Self::None, Self::Read, Self::Written];

    const fn names(self) -> Names {
        match self {
            Self::None => Names { munmap: "munmap, untouched", fork: "fork, untouched", exit: "exit, untouched" },
            Self::Read => Names { munmap: "munmap, all read", fork: "fork, all read", exit: "exit, all read" },
            Self::Written => {
                Names { munmap: "munmap, all written", fork: "fork, all written", exit: "exit, all written" }
            }
        }
    }
}

/// Runs all rows.
pub fn run(bench: &mut Bench) -> Result<()> {
    let largest = bench.args.pick(QUICK, usize::MAX);
    for (way, content) in [(Way::Plain, Content::None), (Way::Refpage, Content::Byte)] {
        for (count, rounds) in COUNTS.into_iter().filter(|(count, _)| *count <= largest) {
            let case = case(way, content, count);
            bench.attempt(case.named("mmap"), |bench| rows(bench, case, rounds))?;
        }
    }
    Ok(())
}

fn rows(bench: &mut Bench, case: Case<'_>, rounds: usize) -> Result<()> {
    let source = Source::new(case.way, case.content, case.size * page_size(), bench.args.seed)?;
    let clock = bench.clock;
    let mut maps = Vec::with_capacity((rounds + 1) * Touch::ALL.len());
    // Apart from all others: with a neighbour of its kind, fork would treat both as one.
    let place = Place::find(case.size)?;
    let map = || Mapping::at(source.backing()?, case.size * page_size(), place.address(0));
    for touch in Touch::ALL {
        let names = touch.names();
        if matches!(touch, Touch::Written) && case.size > WRITABLE {
            bench.missing(
                case.named(names.munmap),
                Measure::Time,
                "so many written pages do not fit into the guest",
            )?;
            continue;
        }
        let mut unmaps = Vec::with_capacity(rounds);
        for _ in 0..rounds {
            let (time, mapping) = clock.time(map);
            maps.push(time);
            let mapping = touched(mapping?, touch);
            unmaps.push(clock.time(|| drop(mapping)).0);
        }
        bench.samples(case.named(names.munmap), Measure::Time, unmaps)?;
        let _mapping = touched(map()?, touch);
        forks(bench, case.named(names.fork), case.named(names.exit), rounds)?;
    }
    bench.samples(case.named("mmap"), Measure::Time, maps)
}

fn touched(mut mapping: Mapping, touch: Touch) -> Mapping {
    match touch {
        Touch::None => {}
        Touch::Read => mapping.load_pages(usize::MAX),
        Touch::Written => mapping.store_pages(usize::MAX),
    }
    mapping
}
