// SPDX-License-Identifier: GPL-2.0

//! Runs a sequence in a fresh process, and notices every way in which that can end.

use crate::exec::World;
use crate::failure::{Failure, Kind, test, test_io};
use crate::kernel::facility::Facilities;
use crate::kernel::knob;
use crate::kernel::log::Log;
use crate::ops::Sequence;
use crate::process;
use crate::shared::{Sum, Tally};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, setpgid};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::sync::atomic::Ordering;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How often the runner looks whether a run goes on.
const GLANCE_MS: u16 = 500;
/// How long the last captured pages may take to go after the processes.
const GRACE: Duration = Duration::from_secs(3);

/// Runs sequences.
pub struct Runner {
    machine: Facilities,
    tally: &'static Tally,
    log: Log,
    patience: Duration,
}

impl Runner {
    /// A runner that gives up on a process that does no operation for `patience`.
    pub fn new(machine: Facilities, patience: Duration) -> Result<Self, Failure> {
        Ok(Self {
            machine,
            tally: Tally::shared().map_err(test("shared memory"))?,
            log: Log::open().map_err(test_io("/dev/kmsg"))?,
            patience,
        })
    }

    /// What this machine cannot do.
    pub fn missing(&self) -> Vec<String> {
        self.machine.missing().collect()
    }

    /// Runs one, and gives how many operations it did.
    pub fn run(&mut self, sequence: &Sequence) -> (Sum, Result<(), Failure>) {
        self.tally.reset();
        let result = self.run_and_look(sequence);
        (self.tally.sum(), result)
    }

    fn run_and_look(&mut self, sequence: &Sequence) -> Result<(), Failure> {
        let captured = knob::captured_pages().map_err(test_io("/proc/vmstat"))?;
        let result = self.run_in_child(sequence);
        let complaint = self.log.complaint().map_err(test_io("/dev/kmsg"))?;
        let place = vec![self.tally.now.load(Ordering::Relaxed) as usize];
        result?;
        if let Some(complaint) = complaint {
            let what = format!("the kernel complained: {complaint}");
            return Err(Failure { path: place, ..Failure::new(Kind::Log, what) });
        }
        check_leak(captured)
    }

    fn run_in_child(&self, sequence: &Sequence) -> Result<(), Failure> {
        let (mut report, mut tells) = process::pipe().map_err(test_io("a pipe"))?;
        let Some(child) = process::split().map_err(test("fork"))? else {
            drop(report);
            // A group of its own, so that all of its processes end with it.
            let _ = setpgid(Pid::from_raw(0), Pid::from_raw(0));
            let result =
                World::new(sequence.pages, &self.machine, self.tally).and_then(|mut world| world.run(sequence));
            let good = match &result {
                Ok(()) => true,
                Err(failure) => serde_json::to_writer(&tells, failure).is_err() && tells.flush().is_err(),
            };
            process::exit(i32::from(!good));
        };
        drop(tells);
        // Both sides set it: whoever comes first.
        let _ = setpgid(child, child);
        let goes_on = self.watch(&report)?;
        if !goes_on {
            let _ = killpg(child, Signal::SIGKILL);
        }
        let mut text = String::new();
        report.read_to_string(&mut text).map_err(test_io("a pipe"))?;
        let status = process::wait(child).map_err(test("waiting for a run"))?;
        // Held children of a run that failed.
        let _ = killpg(child, Signal::SIGKILL);
        self.judge(goes_on, &text, status)
    }

    fn judge(&self, goes_on: bool, text: &str, status: i32) -> Result<(), Failure> {
        let place = vec![self.tally.now.load(Ordering::Relaxed) as usize];
        if let Ok(failure) = serde_json::from_str(text) {
            return Err(failure);
        }
        let (kind, what) = match status {
            _ if !goes_on => (Kind::Hang, format!("no operation ended for {} s", self.patience.as_secs())),
            0 => return Ok(()),
            status if status > process::KILLED => {
                (Kind::Signal, format!("killed by signal {}", status - process::KILLED))
            }
            status => (Kind::Test, format!("ended with status {status}: {text}")),
        };
        Err(Failure { path: place, ..Failure::new(kind, what) })
    }

    /// Waits until the run has closed its end of the pipe. Tells whether it did, or does no more operations.
    fn watch(&self, report: &File) -> Result<bool, Failure> {
        let (mut steps, mut since) = (0, Instant::now());
        loop {
            let mut ends = [PollFd::new(report.as_fd(), PollFlags::POLLIN)];
            if poll(&mut ends, PollTimeout::from(GLANCE_MS)).map_err(test("poll"))? > 0 {
                return Ok(true);
            }
            let now = self.tally.steps.load(Ordering::Relaxed);
            if now != steps {
                (steps, since) = (now, Instant::now());
            } else if since.elapsed() > self.patience {
                return Ok(false);
            }
        }
    }
}

/// Captured pages go with the last process that maps them.
fn check_leak(before: u64) -> Result<(), Failure> {
    let start = Instant::now();
    loop {
        let now = knob::captured_pages().map_err(test_io("/proc/vmstat"))?;
        if now == before {
            return Ok(());
        }
        if start.elapsed() > GRACE {
            return Err(Failure::new(
                Kind::Leak,
                format!("{now} captured pages are in use after the run, {before} before"),
            ));
        }
        sleep(Duration::from_millis(20));
    }
}
