// SPDX-License-Identifier: GPL-2.0

//! One more mapping of a content that the process has captured already, and the first one of a content that it has not.

use super::case;
use super::place::Place;
use crate::bench::{Bench, Case};
use crate::mapping::{Backing, Mapping};
use crate::source::Source;
use anyhow::Result;
use record::{Content, Measure, Way};
use refmap::page_size;

/// Where the new mapping lies.
#[derive(Clone, Copy)]
enum Spot {
    /// Where the kernel likes, which is beside one of its kind: the area grows.
    Beside,
    /// With a hole on either side: an area of its own.
    Alone,
}

/// Runs all rows.
pub fn run(bench: &mut Bench) -> Result<()> {
    let subjects = [(Way::Plain, Content::None), (Way::Memfd, Content::Byte)];
    let refpages = [Way::Refpage, Way::RefpageOfRefpage].into_iter();
    let refpages = refpages.flat_map(|way| Content::PATTERNS.map(|content| (way, content)));
    for (way, content) in subjects.into_iter().chain(refpages) {
        rows(bench, case(way, content, 0))?;
    }
    for content in Content::PATTERNS {
        first_of_content(bench, case(Way::Refpage, content, 0))?;
    }
    Ok(())
}

fn rows(bench: &mut Bench, case: Case<'_>) -> Result<()> {
    for (spot, map, unmap) in [
        (Spot::Beside, "mmap beside the same", "munmap beside the same"),
        (Spot::Alone, "mmap of one more", "munmap of one more"),
    ] {
        bench.attempt(case.named(map), |bench| {
            let source = Source::new(case.way, case.content, page_size(), bench.args.seed)?;
            // So that the content stays captured, and has a neighbour.
            let _standing = source.map()?;
            let place = Place::find(1)?;
            let (maps, unmaps) = rounds(bench, || new_mapping(source.backing()?, spot, &place))?;
            bench.samples(case.named(map), Measure::Time, maps)?;
            bench.samples(case.named(unmap), Measure::Time, unmaps)
        })?;
    }
    Ok(())
}

fn first_of_content(bench: &mut Bench, case: Case<'_>) -> Result<()> {
    let (map, unmap) = (case.named("mmap, first of its content"), case.named("munmap, last of its content"));
    bench.attempt(map, |bench| {
        let source = Source::new(case.way, case.content, page_size(), bench.args.seed)?;
        let place = Place::find(1)?;
        let (maps, unmaps) = rounds(bench, || new_mapping(source.backing()?, Spot::Alone, &place))?;
        bench.samples(map, Measure::Time, maps)?;
        bench.samples(unmap, Measure::Time, unmaps)
    })
}

#[inline(always)]
fn new_mapping(backing: Backing<'_>, spot: Spot, place: &Place) -> Result<Mapping> {
    match spot {
        Spot::Beside => Mapping::new(backing, page_size()),
        Spot::Alone => Mapping::at(backing, page_size(), place.address(0)),
    }
}

/// Maps and unmaps over and over; the first round is not counted.
fn rounds(bench: &Bench, mut map: impl FnMut() -> Result<Mapping>) -> Result<(Vec<f64>, Vec<f64>)> {
    let count = bench.args.pick(500, 5000);
    let (mut maps, mut unmaps) = (Vec::with_capacity(count), Vec::with_capacity(count));
    drop(map()?);
    for _ in 0..count {
        let (time, mapping) = bench.clock.time(&mut map);
        let mapping = mapping?;
        maps.push(time);
        unmaps.push(bench.clock.time(|| drop(mapping)).0);
    }
    Ok((maps, unmaps))
}
