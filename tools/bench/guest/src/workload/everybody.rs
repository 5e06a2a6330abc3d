// SPDX-License-Identifier: GPL-2.0

//! What programs pay that do not use reference pages. It runs on every kernel, so that kernels can be compared.

use crate::bench::{Bench, Case};
use crate::child;
use crate::kernel;
use crate::mapping::{Backing, Mapping};
use anyhow::{Result, ensure};
use record::{Content, Measure, Way, Workload};
use refmap::page_size;

/// Pages of the mappings that fork and munmap work on.
const PAGES: usize = 1000;
/// Where these lie, far from all others: at the begin of a page table on every kernel, so that each has as many.
const PLACE: usize = 1 << 45;
/// Size and alignment of a huge page, in bytes.
const HUGE: usize = 2 << 20;
/// Structures of the kernel whose size must stay: the names of their slab caches.
const STRUCTURES: [&str; 2] = ["vm_area_struct", "mm_struct"];

/// Runs all rows.
pub fn run(bench: &mut Bench) -> Result<()> {
    faults(bench)?;
    bench.attempt(case("huge page fault"), huge_faults)?;
    mmap_and_munmap(bench)?;
    unmapping(bench)?;
    forks(bench)?;
    splits(bench)?;
    structures(bench)
}

fn case(name: &str) -> Case<'_> {
    Case { workload: Workload::Everybody, name, size: 0, way: Way::Plain, content: Content::None }
}

fn faults(bench: &mut Bench) -> Result<()> {
    let pages = bench.args.pick(8192, 32768);
    let mut fresh = Mapping::new(Backing::Anonymous, pages * page_size())?;
    let mut samples = Vec::with_capacity(pages);
    for page in 0..pages {
        samples.push(bench.clock.time(|| fresh.load(page * page_size())).0);
    }
    bench.samples(case("read fault"), Measure::Time, samples)?;
    let samples = store_each(bench, &mut fresh);
    bench.samples(case("write fault after read"), Measure::Time, samples)?;
    drop(fresh);
    let mut fresh = Mapping::new(Backing::Anonymous, pages * page_size())?;
    let samples = store_each(bench, &mut fresh);
    bench.samples(case("write fault"), Measure::Time, samples)
}

fn store_each(bench: &Bench, mapping: &mut Mapping) -> Vec<f64> {
    let clock = bench.clock;
    (0..mapping.pages()).map(|page| clock.time(|| mapping.store(page * page_size(), 0)).0).collect()
}

fn huge_faults(bench: &mut Bench) -> Result<()> {
    let count = bench.args.pick(32, 128);
    let before = kernel::counter("thp_fault_alloc")?;
    let mut mapping = Mapping::new(Backing::Anonymous, (count + 1) * HUGE)?;
    mapping.advise(libc::MADV_HUGEPAGE)?;
    let first = mapping.address().next_multiple_of(HUGE) - mapping.address();
    let clock = bench.clock;
    let samples = (0..count).map(|n| clock.time(|| mapping.store(first + n * HUGE, 0)).0).collect();
    let got = kernel::counter("thp_fault_alloc")? - before;
    ensure!(got == count as f64, "only {got} of {count} faults got a huge page");
    bench.samples(case("huge page fault"), Measure::Time, samples)
}

/// Where the kernel likes, which is beside another mapping, whose area grows; and far from all others, which takes an area of
/// its own.
fn mmap_and_munmap(bench: &mut Bench) -> Result<()> {
    let beside = || Mapping::new(Backing::Anonymous, page_size());
    map_and_unmap(bench, ["mmap", "munmap, untouched"], beside)?;
    let alone = || Mapping::at(Backing::Anonymous, page_size(), PLACE);
    map_and_unmap(bench, ["mmap, an area of its own", "munmap, an area of its own"], alone)
}

fn map_and_unmap(bench: &mut Bench, names: [&str; 2], mut map: impl FnMut() -> Result<Mapping>) -> Result<()> {
    let rounds = bench.args.pick(1000, 5000);
    let (mut maps, mut unmaps) = (Vec::with_capacity(rounds), Vec::with_capacity(rounds));
    for _ in 0..rounds {
        let (time, mapping) = bench.clock.time(&mut map);
        maps.push(time);
        let mapping = mapping?;
        unmaps.push(bench.clock.time(|| drop(mapping)).0);
    }
    bench.samples(case(names[0]), Measure::Time, maps)?;
    bench.samples(case(names[1]), Measure::Time, unmaps)
}

fn unmapping(bench: &mut Bench) -> Result<()> {
    for (name, written) in [("munmap, 1000 pages read", false), ("munmap, 1000 pages written", true)] {
        let mut samples = Vec::new();
        for _ in 0..bench.args.pick(20, 100) {
            let mapping = touched(written)?;
            samples.push(bench.clock.time(|| drop(mapping)).0);
        }
        bench.samples(case(name), Measure::Time, samples)?;
    }
    Ok(())
}

fn forks(bench: &mut Bench) -> Result<()> {
    for (name, exit, written) in [
        ("fork, 1000 pages read", "exit, 1000 pages read", false),
        ("fork, 1000 pages written", "exit, 1000 pages written", true),
    ] {
        let _mapping = touched(written)?;
        let (mut forks, mut exits) = (Vec::new(), Vec::new());
        for _ in 0..bench.args.pick(20, 100) {
            let times = child::fork_and_exit(&bench.clock)?;
            forks.push(times.fork);
            exits.push(times.exit);
        }
        bench.samples(case(name), Measure::Time, forks)?;
        bench.samples(case(exit), Measure::Time, exits)?;
    }
    Ok(())
}

fn touched(written: bool) -> Result<Mapping> {
    let mut mapping = Mapping::at(Backing::Anonymous, PAGES * page_size(), PLACE)?;
    if written {
        mapping.store_pages(PAGES)
    } else {
        mapping.load_pages(PAGES)
    }
    Ok(mapping)
}

fn splits(bench: &mut Bench) -> Result<()> {
    let mut samples = Vec::new();
    for _ in 0..bench.args.pick(200, 1000) {
        let mut mapping = Mapping::new(Backing::Anonymous, 3 * page_size())?;
        let (time, done) = bench.clock.time(|| mapping.protect_page(1));
        done?;
        samples.push(time);
    }
    bench.samples(case("mprotect that splits"), Measure::Time, samples)
}

fn structures(bench: &mut Bench) -> Result<()> {
    for name in STRUCTURES {
        match kernel::object_size(name) {
            Ok(size) => bench.exact(case(name), Measure::Structure, size)?,
            Err(error) => bench.missing(case(name), Measure::Structure, &format!("{error:#}"))?,
        }
    }
    Ok(())
}
