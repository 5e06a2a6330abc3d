// SPDX-License-Identifier: GPL-2.0

//! Child processes: what fork and exit cost, and what a child finds out.

use crate::clock::{self, Clock};
use crate::mapping::{Backing, Mapping};
use anyhow::{Result, ensure};
use refmap::{Errno, page_size};
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

/// Numbers that parent and child both see.
struct Board(Mapping);

impl Board {
    fn new() -> Result<Self> {
        let mut mapping = Mapping::new(Backing::Shared, page_size())?;
        // Before the fork, so that the child does not fault on it.
        mapping.store(0, 0);
        Ok(Self(mapping))
    }

    fn cell(&self, index: usize) -> &AtomicU64 {
        let first: *const AtomicU64 = ptr::with_exposed_provenance(self.0.address());
        // SAFETY: the mapping is one aligned page, which both sides use as atomic numbers alone, and the index is small.
        unsafe { &*first.add(index) }
    }

    fn set(&self, index: usize, value: u64) {
        self.cell(index).store(value, Ordering::SeqCst);
    }

    fn get(&self, index: usize) -> u64 {
        self.cell(index).load(Ordering::SeqCst)
    }
}

/// Nanoseconds that a child took.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// From the call of `fork()` until either side is back in the program.
    pub fork: f64,
    /// From the child's exit until the parent has waited for it.
    pub exit: f64,
}

/// Makes a child that ends at once.
pub fn fork_and_exit(clock: &Clock) -> Result<Times> {
    let board = Board::new()?;
    let start = clock::now();
    // SAFETY: the child uses shared memory and leaves, and takes no lock that another thread may hold.
    let pid = unsafe { libc::fork() };
    let back = clock::now();
    if pid == 0 {
        board.set(0, back);
        board.set(1, clock::now());
        leave(0);
    }
    ensure!(pid > 0, "fork failed ({})", Errno::last());
    wait(pid)?;
    let end = clock::now();
    Ok(Times { fork: clock.between(start, back.min(board.get(0))), exit: clock.between(board.get(1), end) })
}

/// Runs something in a child and waits for it.
pub fn run(work: impl FnOnce()) -> Result<()> {
    // SAFETY: the child does only what the caller gave, with memory of its own, and leaves.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        work();
        leave(0);
    }
    ensure!(pid > 0, "fork failed ({})", Errno::last());
    wait(pid)
}

fn leave(status: i32) -> ! {
    // SAFETY: the call ends this process, without running anything that belongs to the parent.
    unsafe { libc::_exit(status) }
}

fn wait(pid: libc::pid_t) -> Result<()> {
    let mut status = 0;
    // SAFETY: `status` is a number that the kernel may write.
    let done = unsafe { libc::waitpid(pid, &mut status, 0) };
    ensure!(done == pid && status == 0, "a child ended with status {status}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fork_and_exit_take_time() {
        let times = fork_and_exit(&Clock::calibrate()).unwrap();
        assert!(times.fork > 0.0 && times.exit > 0.0, "{times:?}");
    }

    #[test]
    fn what_a_child_does_to_shared_memory_stays() {
        let board = Board::new().unwrap();
        run(|| board.set(3, 7)).unwrap();
        assert_eq!(board.get(3), 7);
    }
}
