// SPDX-License-Identifier: GPL-2.0

use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::Relaxed;

/// Counts of what the kernel gave.
#[derive(Debug, Default)]
pub struct Stats {
    fresh: AtomicU64,
    checked: AtomicU64,
    pattern: AtomicU64,
}

/// The counts at one moment.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Bytes of memory with the fill that came from the kernel.
    pub fresh: u64,
    /// Bytes of it that were read, by `REFHEAP_CHECK`.
    pub checked: u64,
    /// Bytes of those that were the pattern.
    pub pattern: u64,
}

impl Stats {
    pub const fn new() -> Self {
        Self { fresh: AtomicU64::new(0), checked: AtomicU64::new(0), pattern: AtomicU64::new(0) }
    }

    pub fn add_fresh(&self, bytes: usize) {
        self.fresh.fetch_add(bytes as u64, Relaxed);
    }

    pub fn add_checked(&self, bytes: usize, pattern: usize) {
        self.checked.fetch_add(bytes as u64, Relaxed);
        self.pattern.fetch_add(pattern as u64, Relaxed);
    }

    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            fresh: self.fresh.load(Relaxed),
            checked: self.checked.load(Relaxed),
            pattern: self.pattern.load(Relaxed),
        }
    }
}
