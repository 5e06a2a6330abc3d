// SPDX-License-Identifier: GPL-2.0

//! Numbers that all processes of a run count together.

use nix::errno::Errno;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

/// The numbers; all start at 0.
#[derive(Default)]
pub struct Tally {
    /// Operations that did something.
    pub done: AtomicU64,
    /// Operations that found nothing to act on.
    pub idle: AtomicU64,
    /// Operations that this kernel cannot do.
    pub unavailable: AtomicU64,
    /// The number of the operation of the sequence that runs now.
    pub now: AtomicU64,
    /// Rises while the run goes on.
    pub steps: AtomicU64,
}

/// What the numbers were at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sum {
    /// Operations that did something.
    pub done: u64,
    /// Operations that found nothing to act on.
    pub idle: u64,
    /// Operations that this kernel cannot do.
    pub unavailable: u64,
}

impl Tally {
    /// Numbers in memory that children share; it is never unmapped.
    pub fn shared() -> Result<&'static Self, Errno> {
        let (prot, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping, at a place that the kernel chooses, replaces nothing.
        let memory = unsafe { libc::mmap(ptr::null_mut(), size_of::<Self>(), prot, flags, -1, 0) };
        if memory == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        // SAFETY: the mapping is of that size, aligned to a page, zero-filled, which is a value of the type, and stays.
        Ok(unsafe { &*memory.cast::<Self>() })
    }

    /// Back to 0.
    pub fn reset(&self) {
        for number in [&self.done, &self.idle, &self.unavailable, &self.now, &self.steps] {
            number.store(0, Ordering::Relaxed);
        }
    }

    /// Adds one.
    pub fn add(number: &AtomicU64) {
        number.fetch_add(1, Ordering::Relaxed);
    }

    /// What the numbers are.
    pub fn sum(&self) -> Sum {
        Sum {
            done: self.done.load(Ordering::Relaxed),
            idle: self.idle.load(Ordering::Relaxed),
            unavailable: self.unavailable.load(Ordering::Relaxed),
        }
    }
}

impl std::ops::AddAssign for Sum {
    fn add_assign(&mut self, other: Self) {
        self.done += other.done;
        self.idle += other.idle;
        self.unavailable += other.unavailable;
    }
}
