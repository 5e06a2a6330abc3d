// SPDX-License-Identifier: GPL-2.0

//! What a processor takes to write the content of a page, as a kernel does at a first store, and what such a page fault
//! takes. A clock that counts instructions knows neither caches nor how fast strings are moved, so this is for the host.

use crate::bench::{Bench, Case};
use crate::content;
use crate::mapping::{Backing, Mapping};
use anyhow::Result;
use record::{Content, Fault, Measure, Way, Workload, Written};
use refmap::page_size;

/// Pages that are written between two readings of the clock. They fit the second cache.
const BATCH: usize = 64;
/// More pages than processors cache: a power of two.
const POOL: usize = 1 << 16;
/// Without a factor that it shares with a power of two: neighbours are written at different times, as when they are
/// allocated one by one.
const STRIDE: usize = 40503;
/// Page faults of a round.
const FAULTS: usize = 2048;

/// What a page gets, and from where.
enum Filling {
    Zeros,
    Word(u64),
    Pair([u64; 2]),
    Copy(Vec<u8>),
    /// From the pages of a pool by turns, so that they are not cached either.
    CopyOf(Mapping),
}

/// Runs all rows.
pub fn run(bench: &mut Bench) -> Result<()> {
    let case = Case { workload: Workload::Processor, name: "", size: 0, way: Way::Plain, content: Content::None };
    let seed = bench.args.seed;
    writes(bench, case.named(Written::Cached.name()), BATCH, contents(seed))?;
    writes(bench, case.named(Written::Cold.name()), POOL, contents(seed))?;
    let source = Mapping::filled(&content::page(Content::Page, POOL * page_size(), seed))?;
    writes(bench, case.named(Written::ColdSource.name()), POOL, [(Content::Page, Filling::CopyOf(source))])?;
    faults(bench, case.named(Fault::FirstStore.name()))
}

/// By turns, so that all of them see the same machine.
fn writes<const N: usize>(
    bench: &mut Bench,
    case: Case<'_>,
    pages: usize,
    contents: [(Content, Filling); N],
) -> Result<()> {
    let mut pool = Mapping::new(Backing::Anonymous, pages * page_size())?;
    // As kernels map memory for themselves. A host without huge pages is as good.
    let _ = pool.advise(libc::MADV_HUGEPAGE);
    pool.store_pages(pages);
    let mut rows = contents.map(|(content, written)| {
        let way = if content == Content::None { Way::Plain } else { Way::Refpage };
        (Case { way, content, ..case }, written, Vec::new())
    });
    let mut place = 0;
    for _ in 0..bench.args.pick(2000, 10_000) {
        for (_, written, samples) in &mut rows {
            let (time, ()) = bench.clock.time(|| {
                for turn in place..place + BATCH {
                    written.write(pool.page_mut(turn * STRIDE % pages), turn);
                }
            });
            place += BATCH;
            samples.push(time / BATCH as f64);
        }
    }
    for (case, _, samples) in rows {
        bench.samples(case, Measure::Time, samples)?;
    }
    Ok(())
}

fn contents(seed: u64) -> [(Content, Filling); 4] {
    let page = |content| content::page(content, page_size(), seed);
    let word = |page: &[u8], at: usize| u64::from_ne_bytes(std::array::from_fn(|byte| page[8 * at + byte]));
    let (byte, sixteen) = (page(Content::Byte), page(Content::Sixteen));
    [
        (Content::None, Filling::Zeros),
        (Content::Byte, Filling::Word(word(&byte, 0))),
        (Content::Sixteen, Filling::Pair([word(&sixteen, 0), word(&sixteen, 1)])),
        (Content::Page, Filling::Copy(page(Content::Page))),
    ]
}

impl Filling {
    #[inline(always)]
    fn write(&mut self, page: &mut [u8], turn: usize) {
        match self {
            Self::Zeros => string::clear(page),
            Self::Word(word) => string::set(page, *word),
            Self::Pair(pair) => pairs(page, *pair),
            Self::Copy(source) => string::copy(page, source),
            Self::CopyOf(pool) => string::copy(page, pool.page_mut(turn * STRIDE % pool.pages())),
        }
    }
}

/// A quarter of the page one word after the other, as a kernel does, which leaves vectors alone. Then what is there is copied,
/// twice as much the second time.
#[inline(always)]
fn pairs(page: &mut [u8], pair: [u64; 2]) {
    let (quarter, rest) = page.split_at_mut(page.len() / 4);
    words(quarter, pair);
    string::copy(&mut rest[..quarter.len()], quarter);
    let (half, rest) = page.split_at_mut(page.len() / 2);
    string::copy(rest, half);
}

#[inline(always)]
fn words(part: &mut [u8], [even, odd]: [u64; 2]) {
    // SAFETY: all bits make a valid word.
    let (_, part, _) = unsafe { part.align_to_mut::<[u64; 8]>() };
    for several in part {
        for (at, word) in several.iter_mut().enumerate() {
            // SAFETY: a reference is good for a store. It is volatile to stay alone.
            unsafe { std::ptr::write_volatile(word, if at % 2 == 0 { even } else { odd }) };
        }
    }
}

/// By the instructions for strings that kernels take for whole pages.
#[cfg(target_arch = "x86_64")]
mod string {
    use std::arch::asm;

    #[inline(always)]
    pub fn clear(page: &mut [u8]) {
        // SAFETY: stores as many bytes as there are.
        unsafe {
            asm!("rep stosb", inout("rcx") page.len() => _, inout("rdi") page.as_mut_ptr() => _, in("al") 0_u8,
                 options(nostack, preserves_flags));
        }
    }

    #[inline(always)]
    pub fn set(page: &mut [u8], word: u64) {
        // SAFETY: stores as many words as there are.
        unsafe {
            asm!("rep stosq", inout("rcx") page.len() / 8 => _, inout("rdi") page.as_mut_ptr() => _, in("rax") word,
                 options(nostack, preserves_flags));
        }
    }

    #[inline(always)]
    pub fn copy(page: &mut [u8], source: &[u8]) {
        let len = page.len().min(source.len());
        // SAFETY: loads and stores as many bytes as there are; a unique borrow overlaps with nothing.
        unsafe {
            asm!("rep movsb", inout("rcx") len => _, inout("rdi") page.as_mut_ptr() => _,
                 inout("rsi") source.as_ptr() => _, options(nostack, preserves_flags));
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod string {
    pub fn clear(page: &mut [u8]) {
        page.fill(0);
    }

    pub fn set(page: &mut [u8], word: u64) {
        page.chunks_exact_mut(8).for_each(|bytes| bytes.copy_from_slice(&word.to_ne_bytes()));
    }

    pub fn copy(page: &mut [u8], source: &[u8]) {
        page.copy_from_slice(source);
    }
}

fn faults(bench: &mut Bench, case: Case<'_>) -> Result<()> {
    let mut samples = Vec::new();
    for _ in 0..bench.args.pick(10, 50) {
        let mut fresh = Mapping::new(Backing::Anonymous, FAULTS * page_size())?;
        // A host without huge pages gives none anyway.
        let _ = fresh.advise(libc::MADV_NOHUGEPAGE);
        samples.extend((0..FAULTS).map(|page| bench.clock.time(|| fresh.store(page * page_size(), 0)).0));
    }
    bench.samples(case, Measure::Time, samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_a_page_is_written() {
        for (content, mut written) in contents(1) {
            let mut pool = Mapping::new(Backing::Anonymous, page_size()).unwrap();
            pool.page_mut(0).fill(7);
            written.write(pool.page_mut(0), 0);
            assert_eq!(pool.page_mut(0), content::page(content, page_size(), 1), "{content:?}");
        }
    }

    #[test]
    fn each_page_of_the_pool_comes_once() {
        let mut seen = vec![false; POOL];
        (0..POOL).for_each(|page| seen[page * STRIDE % POOL] = true);
        assert!(seen.into_iter().all(|seen| seen));
    }
}
