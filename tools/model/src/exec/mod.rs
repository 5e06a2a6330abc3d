// SPDX-License-Identifier: GPL-2.0

//! Does operations on the arena, and the same on the model.

mod access;
mod children;
mod compare;
mod core;
mod direct;
mod layout;
mod map;
mod memory_failure;
mod pager;
mod system;
mod tags;
mod thread;

use crate::arena::Arena;
use crate::failure::{Failure, Kind, test_io};
use crate::kernel::facility::Facilities;
use crate::kernel::knob;
use crate::kernel::vma::Mappings;
use crate::model::{Answer, Expected, Model};
use crate::ops::{Op, Sequence};
use crate::shared::Tally;
use std::fs::{File, OpenOptions};
use std::sync::atomic::Ordering;

/// What an operation came to.
#[derive(Clone, Copy, PartialEq)]
enum Effect {
    /// It did something.
    Done,
    /// There was nothing to act on.
    Nothing,
}

/// How an operation ends.
type Outcome = Result<Effect, Failure>;

/// One process with its arena.
pub struct World<'a> {
    arena: Arena,
    model: Model,
    machine: &'a Facilities,
    tally: &'a Tally,
    /// `/proc/self/mem`.
    memory: File,
    mappings: Mappings,
    held: Vec<children::Held>,
    /// Captured pages in use before anything was mapped.
    captured_before: u64,
    /// No other process has mappings of this one, but the children that it holds.
    alone: bool,
    /// A child that got mappings clean, whose mappings must stay as they are.
    frozen: bool,
    /// Another thread runs.
    beside: bool,
    path: Vec<usize>,
}

impl<'a> World<'a> {
    /// An arena in which nothing is mapped.
    pub fn new(pages: usize, machine: &'a Facilities, tally: &'a Tally) -> Result<Self, Failure> {
        knob::reset().map_err(test_io("settings"))?;
        Ok(Self {
            arena: Arena::new(pages),
            model: Model::new(pages),
            machine,
            tally,
            memory: open_memory()?,
            mappings: Mappings::open().map_err(test_io("/proc/self/maps"))?,
            held: Vec::new(),
            captured_before: knob::captured_pages().map_err(test_io("/proc/vmstat"))?,
            alone: true,
            frozen: false,
            beside: false,
            path: Vec::new(),
        })
    }

    /// Does the whole sequence, and compares everything at its end.
    pub fn run(&mut self, sequence: &Sequence) -> Result<(), Failure> {
        self.run_all(&sequence.ops)?;
        self.path = vec![sequence.ops.len()];
        self.finish().map_err(|failure| self.located(failure))
    }

    fn finish(&mut self) -> Result<(), Failure> {
        self.join()?;
        self.compare_all()?;
        self.count()?;
        self.arena.unmap(self.arena.span()).map_err(crate::failure::test("munmap of all"))
    }

    fn run_all(&mut self, ops: &[Op]) -> Result<(), Failure> {
        for (index, op) in ops.iter().enumerate() {
            self.path.push(index);
            if self.path.len() == 1 {
                self.tally.now.store(index as u64, Ordering::Relaxed);
            }
            self.step(op).map_err(|failure| self.located(failure))?;
            self.path.pop();
        }
        Ok(())
    }

    /// Adds the place, unless a child that failed has said a more exact one.
    fn located(&self, failure: Failure) -> Failure {
        if failure.path.is_empty() { Failure { path: self.path.clone(), ..failure } } else { failure }
    }

    fn step(&mut self, op: &Op) -> Result<(), Failure> {
        Tally::add(&self.tally.steps);
        if !self.machine.have(op) {
            Tally::add(&self.tally.unavailable);
            return Ok(());
        }
        let effect = if self.frozen && changes_mappings(op) { Effect::Nothing } else { self.act(op)? };
        Tally::add(if effect == Effect::Done { &self.tally.done } else { &self.tally.idle });
        Ok(())
    }

    fn act(&mut self, op: &Op) -> Outcome {
        match op {
            Op::Map(map) => self.map(map),
            Op::MapFailing { nth, map } => self.map_failing(*nth, map),
            Op::MapWrong { span, wrong } => self.map_wrong(*span, *wrong),
            Op::MapPlain { span, prot, populate } => self.map_plain(*span, *prot, *populate),
            Op::Unmap(span) => self.unmap(*span),
            Op::Protect { span, prot } => self.protect(*span, *prot),
            Op::AllowTags { span, prot } => self.allow_tags(*span, *prot),
            Op::Lock { span, lock } => self.lock(*span, *lock),
            Op::Remap { span, form } => self.remap(*span, *form),
            Op::Advise { span, advice } => self.advise(*span, *advice),
            Op::Load { bytes, by } => self.load(*bytes, *by),
            Op::Store { bytes, seed, by } => self.store(*bytes, *seed, *by),
            Op::StoreTags { bytes, first, step } => self.store_tags(*bytes, *first, *step),
            Op::LoadTagged { at, tag } => self.load_tagged(*at, *tag),
            Op::SpliceAndUnmap(page) => self.splice_and_unmap(*page),
            Op::FixedBuffer { span, seed } => self.fixed_buffer(*span, *seed),
            Op::Fork { ops, held } => self.fork(ops, *held),
            Op::Join => self.join(),
            Op::Handover { unmap } => self.handover(*unmap),
            Op::Beside { seed, ops } => self.beside(*seed, ops),
            Op::Ksm(what) => self.ksm(*what),
            Op::Huge { kib, setting } => self.set_huge(*kib, *setting),
            Op::Reclaim(pages) => self.reclaim(*pages),
            Op::Squeeze(pages) => self.squeeze(*pages),
            Op::Compact => self.compact(),
            Op::Khugepaged => self.khugepaged(),
            Op::MovePages { span, node } => self.move_pages(*span, *node),
            Op::SoftOffline(page) => self.soft_offline(*page),
            Op::FailStored(page) => self.fail_stored(*page),
            Op::FailCaptured { seed, period } => self.fail_captured(*seed, *period),
            Op::PagerFill { span, fill } => self.pager_fill(*span, *fill),
            Op::PagerMove { from, to } => self.pager_move(*from, *to),
            Op::PagerProtect { span, seed } => self.pager_protect(*span, *seed),
            Op::Core => self.dump_core(),
            Op::Compare => self.compare_all(),
            Op::Count => self.count(),
        }
    }
}

/// Operations that may split mappings or change their flags.
///
/// In a child, a mapping that was written, moved and then wiped by `fork()` has no record of its pages but the offset of
/// its old place, and the kernel complains when it is split. Ordinary anonymous memory does the same.
fn changes_mappings(op: &Op) -> bool {
    !matches!(
        op,
        Op::Load { .. }
            | Op::Store { .. }
            | Op::StoreTags { .. }
            | Op::LoadTagged { .. }
            | Op::Fork { .. }
            | Op::Join
            | Op::Compare
            | Op::Count
    )
}

fn open_memory() -> Result<File, Failure> {
    OpenOptions::new().read(true).write(true).open("/proc/self/mem").map_err(test_io("/proc/self/mem"))
}

/// Compares what a call answered with what it must.
fn expect(call: &str, got: Answer, want: Answer) -> Outcome {
    if got == want {
        return Ok(Effect::Done);
    }
    let word = |answer: Answer| answer.map_or_else(|error| format!("{error:?}"), |()| "success".into());
    Err(Failure::new(Kind::Answer, format!("{call} gave {}, not {}", word(got), word(want))))
}

/// The same where not every answer is foreseen.
fn expect_either(call: &str, got: Answer, want: Expected) -> Outcome {
    match want {
        Expected::Exactly(want) => expect(call, got, want),
        Expected::Anything => Ok(Effect::Done),
    }
}
