// SPDX-License-Identifier: GPL-2.0

//! What it costs to allocate, use and free a large block, measured in the process that does it.

use crate::block::{Block, Use};
use anyhow::{Context, Result};
use serde::Serialize;
use std::fs;
use std::time::Instant;

/// Rounds before those that count: the first ones build page tables, and a block that the allocator keeps is there then.
const BEFORE: usize = 2;
const EMPTY_ROUNDS: usize = 101;

/// What was measured.
#[derive(Serialize)]
struct Cost {
    /// Nanoseconds from before `malloc()` to after `free()`, of each round.
    nanoseconds: Vec<f64>,
    /// Page faults of a round.
    faults: i64,
    /// Resident memory before `free()`, beyond that before the first block.
    resident: i64,
}

/// Runs the rounds and prints what they cost.
pub fn measure(size: usize, part: Use, rounds: usize) -> Result<()> {
    let offsets = part.offsets(size);
    // What this process needs to look at itself is resident before.
    resident()?;
    let start = resident()?;
    for _ in 0..BEFORE {
        round(size, &offsets);
    }
    let empty = empty();
    let nanoseconds = (0..rounds).map(|_| time(|| round(size, &offsets)) - empty).collect();
    let before = faults();
    let block = Block::new(size);
    block.touch(&offsets);
    let (faults, resident) = (faults() - before, resident()? - start);
    drop(block);
    println!("{}", serde_json::to_string(&Cost { nanoseconds, faults, resident })?);
    Ok(())
}

fn round(size: usize, offsets: &[usize]) {
    Block::new(size).touch(offsets);
}

fn time(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_nanos() as f64
}

/// What it takes to measure nothing.
fn empty() -> f64 {
    let mut times: Vec<f64> = (0..EMPTY_ROUNDS).map(|_| time(|| ())).collect();
    times.sort_by(f64::total_cmp);
    times[EMPTY_ROUNDS / 2]
}

/// Resident memory of this process in bytes, counted in its page tables.
fn resident() -> Result<i64> {
    let text = fs::read_to_string("/proc/self/smaps_rollup").context("/proc/self/smaps_rollup cannot be read")?;
    find_resident(&text).context("/proc/self/smaps_rollup has no Rss")
}

fn find_resident(text: &str) -> Option<i64> {
    let value = text.lines().find_map(|line| line.strip_prefix("Rss:")?.trim().strip_suffix(" kB"))?;
    Some(value.parse::<i64>().ok()? * 1024)
}

/// Page faults of this process that needed no I/O.
fn faults() -> i64 {
    // SAFETY: all zeros are a value of the structure, which is one of numbers.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel may write to `usage`.
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut usage) };
    usage.ru_minflt
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_found() {
        assert_eq!(find_resident("55d0-7ffe [rollup]\nRss:   1852 kB\nPss:  90 kB\n"), Some(1852 * 1024));
        assert_eq!(find_resident("Pss: 1 kB\n"), None);
    }

    #[test]
    fn faults_are_counted() {
        let before = faults();
        let block = Block::new(16 << 20);
        block.touch(&Use::Dense.offsets(16 << 20));
        assert!(faults() > before);
    }
}
