// SPDX-License-Identifier: GPL-2.0

//! The clock that measures. On x86-64 it is the time-stamp counter: in a guest that counts instructions, two readings
//! tell exactly how many instructions lie between them, and on a processor it costs a few nanoseconds.

use std::time::{Duration, Instant};

/// How long the counter is compared with the kernel's clock.
const CALIBRATION: Duration = Duration::from_millis(20);
/// How often nothing is measured, to see what measuring costs.
const EMPTY_ROUNDS: usize = 1001;

/// Reads the counter, after everything before it is done.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub fn now() -> u64 {
    // SAFETY: every x86-64 processor has both instructions, and neither touches memory.
    unsafe {
        std::arch::x86_64::_mm_lfence();
        std::arch::x86_64::_rdtsc()
    }
}

/// Reads the kernel's monotonic clock in nanoseconds.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
pub fn now() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Turns readings into nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// Length of a tick in nanoseconds.
    pub tick_ns: f64,
    /// What an empty measurement takes, in ticks.
    pub empty: u64,
}

impl Clock {
    /// Compares the counter with the kernel's clock.
    pub fn calibrate() -> Self {
        let (start, first) = (Instant::now(), now());
        while start.elapsed() < CALIBRATION {}
        let (elapsed, last) = (start.elapsed(), now());
        let mut empty: Vec<u64> = (0..EMPTY_ROUNDS)
            .map(|_| {
                let start = now();
                now() - start
            })
            .collect();
        empty.sort_unstable();
        Self { tick_ns: elapsed.as_nanos() as f64 / (last - first) as f64, empty: empty[EMPTY_ROUNDS / 2] }
    }

    /// The nanoseconds between two readings, without what a measurement itself takes.
    pub fn between(&self, start: u64, end: u64) -> f64 {
        end.saturating_sub(start).saturating_sub(self.empty) as f64 * self.tick_ns
    }

    /// Runs something once and gives the nanoseconds that it took, and its result.
    #[inline(always)]
    pub fn time<T>(&self, work: impl FnOnce() -> T) -> (f64, T) {
        let start = now();
        let result = work();
        let end = now();
        (self.between(start, end), result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_has_a_length() {
        let clock = Clock::calibrate();
        assert!(clock.tick_ns > 0.0 && clock.tick_ns.is_finite(), "{clock:?}");
    }

    #[test]
    fn what_measuring_takes_is_taken_off() {
        let clock = Clock { tick_ns: 2.0, empty: 10 };
        assert_eq!(clock.between(100, 130), 40.0);
        assert_eq!(clock.between(100, 105), 0.0);
    }
}
