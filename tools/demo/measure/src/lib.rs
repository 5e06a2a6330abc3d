// SPDX-License-Identifier: GPL-2.0

//! What a stretch of this process cost: time, page faults, peak memory.

use std::time::Instant;

use anyhow::Context;
use anyhow::Result;
use nix::sys::resource::Usage;
use nix::sys::resource::UsageWho;
use nix::sys::resource::getrusage;
use nix::sys::time::TimeVal;
use nix::sys::time::TimeValLike;
use procfs::process::ClearRefs;
use procfs::process::Process;
use serde::Serialize;

/// A measurement that runs.
#[derive(Debug)]
pub struct Stopwatch {
    rss_kib: u64,
    usage: Usage,
    started: Instant,
}

/// The cost of the measured stretch.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Cost {
    /// Elapsed time of the monotonic clock.
    pub seconds: f64,
    /// Processor time: exact, and free of what else ran meanwhile.
    pub cpu_seconds: f64,
    /// Processor time in the program.
    pub user_seconds: f64,
    /// Processor time in the kernel.
    pub system_seconds: f64,
    /// Page faults that needed no I/O.
    pub minor_faults: i64,
    /// Resident memory at the start.
    pub start_rss_kib: u64,
    /// The most resident memory since the start.
    pub peak_rss_kib: u64,
}

impl Stopwatch {
    /// Forgets the peak of resident memory so far, and starts.
    pub fn start() -> Result<Self> {
        let process = Process::myself().context("/proc is not mounted: mount it")?;
        process
            .clear_refs(ClearRefs::PeakRSS)
            .context("/proc/self/clear_refs cannot be written: build the kernel with CONFIG_PROC_PAGE_MONITOR=y")?;
        let rss = process.status()?.vmrss;
        Ok(Self {
            rss_kib: rss.context("/proc/self/status has no VmRSS: build the kernel with CONFIG_MMU=y")?,
            usage: getrusage(UsageWho::RUSAGE_SELF)?,
            started: Instant::now(),
        })
    }

    /// Stops, and says what the stretch cost.
    pub fn stop(self) -> Result<Cost> {
        let elapsed = self.started.elapsed();
        let usage = getrusage(UsageWho::RUSAGE_SELF)?;
        let peak = Process::myself()?.status()?.vmhwm;
        let user_seconds = difference(self.usage.user_time(), usage.user_time());
        let system_seconds = difference(self.usage.system_time(), usage.system_time());
        Ok(Cost {
            seconds: elapsed.as_secs_f64(),
            cpu_seconds: user_seconds + system_seconds,
            user_seconds,
            system_seconds,
            minor_faults: usage.minor_page_faults() - self.usage.minor_page_faults(),
            start_rss_kib: self.rss_kib,
            peak_rss_kib: peak.context("/proc/self/status has no VmHWM: build the kernel with CONFIG_MMU=y")?,
        })
    }
}

fn difference(from: TimeVal, to: TimeVal) -> f64 {
    (to - from).num_microseconds() as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_is_seen_after_the_memory_is_gone_and_forgotten_by_the_next_start() {
        const SIZE: usize = 64 << 20;
        let watch = Stopwatch::start().unwrap();
        let memory = std::hint::black_box(vec![1u8; SIZE]);
        drop(memory);
        let with = watch.stop().unwrap();
        let without = Stopwatch::start().unwrap().stop().unwrap();

        let grown = with.peak_rss_kib - with.start_rss_kib;
        assert!(grown >= 60 << 10, "{with:?}");
        assert!(with.minor_faults > 0, "{with:?}");
        assert!(without.peak_rss_kib + (60 << 10) < with.peak_rss_kib, "{without:?}");
    }

    #[test]
    fn a_difference_carries_over_the_second() {
        let early = TimeVal::new(1, 900_000);
        let late = TimeVal::new(3, 100_000);
        assert!((difference(early, late) - 1.2).abs() < 1e-9);
    }
}
