// SPDX-License-Identifier: GPL-2.0

//! Another thread, which faults on a mapping of its own while the operations change the others.

use super::{Effect, Outcome, World, expect};
use crate::arena::{Arena, Request};
use crate::content::{self, Page};
use crate::failure::{Failure, Kind};
use crate::model::Answer;
use crate::ops::{Advice, MapFlag, Op, PAGE, Prot, Span};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// Pages that the thread has.
const PAGES: usize = 8;

impl World<'_> {
    pub(super) fn beside(&mut self, seed: u8, ops: &[Op]) -> Outcome {
        let lane = self.arena.lane(PAGES);
        let base = content::repeated(seed.into(), PAGE);
        expect("mmap for a thread", self.map_lane(lane, &base), Ok(()))?;
        let worker = Worker { arena: self.arena, lane, base: **base, seed };
        let stop = AtomicBool::new(false);
        self.beside = true;
        let (mine, other) = thread::scope(|scope| {
            let handle = scope.spawn(|| worker.run(&stop));
            let mine = self.run_all(ops);
            stop.store(true, Ordering::Relaxed);
            (mine, handle.join())
        });
        self.beside = false;
        expect("munmap for a thread", self.arena.unmap(lane), Ok(()))?;
        mine?;
        match other {
            Ok(None) => Ok(Effect::Done),
            Ok(Some(what)) => Err(Failure::new(Kind::Bytes, what)),
            Err(_) => Err(Failure::new(Kind::Test, "the other thread panicked")),
        }
    }

    /// Captures a page from where the mapping goes.
    pub(super) fn map_lane(&self, lane: Span, base: &Page) -> Answer {
        self.arena.map(lane, &Request::plain(Prot::Write, false))?;
        self.arena.store(lane.first * PAGE, &base[..], 0);
        self.arena.map(lane, &Request::reference(Prot::Write, MapFlag::Nothing, self.arena.page(lane.first)))
    }
}

struct Worker {
    arena: Arena,
    lane: Span,
    base: [u8; PAGE],
    seed: u8,
}

impl Worker {
    /// Stores, loads and drops until it is told to stop. Gives what was wrong. It allocates nothing before that.
    fn run(&self, stop: &AtomicBool) -> Option<String> {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed.into());
        let mut holds = [self.base; PAGES];
        let mut seen = [0; PAGE];
        while !stop.load(Ordering::Relaxed) {
            let index = random.random_range(0..PAGES);
            let at = self.arena_offset(index);
            match random.random_range(0..8) {
                0 => {
                    let page = Span { first: self.lane.first + index, count: 1 };
                    if self.arena.advise(page, Advice::DontNeed.number()).is_err() {
                        return Some("MADV_DONTNEED of another thread failed".into());
                    }
                    holds[index] = self.base;
                }
                1..=4 => {
                    let offset = random.random_range(0..PAGE / 8) * 8;
                    let word = random.random::<u64>().to_ne_bytes();
                    self.arena.store(at + offset, &word, 8);
                    holds[index][offset..offset + 8].copy_from_slice(&word);
                }
                _ => {
                    self.arena.load(at, &mut seen, 0);
                    if seen != holds[index] {
                        return Some(format!("page {index} of another thread holds wrong bytes"));
                    }
                }
            }
        }
        None
    }

    fn arena_offset(&self, index: usize) -> usize {
        (self.lane.first + index) * PAGE
    }
}
