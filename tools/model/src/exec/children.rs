// SPDX-License-Identifier: GPL-2.0

//! Children: each goes on with a copy of the model, as the kernel gives it a copy of the memory.

use super::{Effect, Outcome, World, open_memory};
use crate::failure::{Failure, Kind, test, test_io};
use crate::kernel::vma::Mappings;
use crate::ops::Op;
use crate::process;
use nix::unistd::Pid;
use std::fs::File;
use std::io::{Read, Write};

/// Children that are held at once.
const HELD: usize = 3;

/// A child with its pipes.
pub struct Held {
    child: Pid,
    /// Closed, it lets the child go on.
    start: Option<File>,
    /// What the child says at its end: nothing, or its failure.
    report: File,
}

impl World<'_> {
    pub(super) fn fork(&mut self, ops: &[Op], held: bool) -> Outcome {
        let (mut waits, start) = process::pipe().map_err(test_io("a pipe"))?;
        let (report, mut tells) = process::pipe().map_err(test_io("a pipe"))?;
        let Some(child) = process::split().map_err(test("fork"))? else {
            drop((start, report));
            // Ends of pipes of older children, which would keep those waiting.
            self.held.clear();
            let _ = waits.read(&mut [0]);
            let result = self.live_as_child(ops);
            let good = result.is_ok() || tells.write_all(&text(&result)).is_ok();
            process::exit(i32::from(!good));
        };
        drop((waits, tells));
        let mut held_child = Held { child, start: Some(start), report };
        if held && self.held.len() < HELD && !self.beside {
            self.held.push(held_child);
            return Ok(Effect::Done);
        }
        held_child.start = None;
        held_child.end()?;
        Ok(Effect::Done)
    }

    fn live_as_child(&mut self, ops: &[Op]) -> Result<(), Failure> {
        self.become_child()?;
        self.alone = false;
        self.compare_all().map_err(|failure| self.located(failure))?;
        self.run_all(ops)?;
        self.join().map_err(|failure| self.located(failure))?;
        self.compare_all().map_err(|failure| self.located(failure))?;
        self.count().map_err(|failure| self.located(failure))?;
        Ok(())
    }

    fn become_child(&mut self) -> Result<(), Failure> {
        self.frozen |= self.model.any_wiped();
        self.model = self.model.forked();
        self.memory = open_memory()?;
        self.mappings = Mappings::open().map_err(test_io("/proc/self/maps"))?;
        Ok(())
    }

    pub(super) fn join(&mut self) -> Outcome {
        if self.held.is_empty() {
            return Ok(Effect::Nothing);
        }
        for mut held in std::mem::take(&mut self.held) {
            held.start = None;
            held.end()?;
        }
        Ok(Effect::Done)
    }

    /// The child goes on with the sequence; the parent ends as the child did.
    pub(super) fn handover(&mut self, unmap: bool) -> Outcome {
        if self.model.any_wiped() {
            return Ok(Effect::Nothing);
        }
        self.join()?;
        let (mut waits, unmapped) = process::pipe().map_err(test_io("a pipe"))?;
        let Some(child) = process::split().map_err(test("fork"))? else {
            drop(unmapped);
            let _ = waits.read(&mut [0]);
            self.become_child()?;
            self.alone &= unmap;
            return Ok(Effect::Done);
        };
        if unmap {
            self.arena.unmap(self.arena.span()).map_err(test("munmap of all"))?;
        }
        drop(unmapped);
        process::exit(process::wait(child).map_err(test("waiting for a child"))?);
    }
}

impl Held {
    /// Waits for its end.
    fn end(mut self) -> Result<(), Failure> {
        let mut text = String::new();
        self.report.read_to_string(&mut text).map_err(test_io("a pipe"))?;
        let status = process::wait(self.child).map_err(test("waiting for a child"))?;
        if let Ok(failure) = serde_json::from_str(&text) {
            return Err(failure);
        }
        match status {
            0 => Ok(()),
            status if status > process::KILLED => {
                let text = format!("a child was killed by signal {}", status - process::KILLED);
                Err(Failure::new(Kind::Signal, text))
            }
            status => Err(Failure::new(Kind::Test, format!("a child ended with status {status}: {text}"))),
        }
    }
}

/// A failure as a line of JSON.
fn text(result: &Result<(), Failure>) -> Vec<u8> {
    result.as_ref().err().and_then(|failure| serde_json::to_vec(failure).ok()).unwrap_or_default()
}
