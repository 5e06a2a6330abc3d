// SPDX-License-Identifier: GPL-2.0

//! Memory that fails: a page that was stored to is lost, alone; a captured page is given to nobody any more.

use super::{Effect, Outcome, World, expect};
use crate::content::{self, Page};
use crate::failure::{Failure, Kind};
use crate::model::Mapped;
use crate::ops::{Advice, Bytes, Lock, PAGE, Reader, Span, Writer};

/// In <asm-generic/mman-common.h>, for testing.
const MADV_HWPOISON: i32 = 100;
/// What no mapping of the arena is captured with.
const CONTENTS: u64 = 1 << 16;
/// Pages of the lane: the last is of a later mapping.
const LOADED: usize = 0;
const UNTOUCHED: usize = 1;
const STORED: usize = 2;
const LATER: usize = 3;

impl World<'_> {
    /// A store makes the page one of this process alone. What may be part of a large folio may take its neighbours along.
    pub(super) fn fail_stored(&mut self, page: usize) -> Outcome {
        let own = |page: &Mapped| page.writable() && page.lock == Lock::Off && !page.mergeable;
        if self.model.may_be_huge || !self.model.page(page).is_some_and(own) {
            return Ok(Effect::Nothing);
        }
        let at = page * PAGE;
        self.arena.store(at, &[1], 1);
        self.model.store(at, &[1]);
        let span = Span { first: page, count: 1 };
        expect("MADV_HWPOISON of a stored page", self.arena.advise(span, MADV_HWPOISON), Ok(()))?;
        self.refused_load(Bytes { at, len: PAGE }, Reader::Pipe)?;
        expect("MADV_DONTNEED of a failed page", self.arena.advise(span, Advice::DontNeed.number()), Ok(()))?;
        self.model.drop_span(span);
        let mut seen = [0; PAGE];
        self.arena.load(at, &mut seen, 0);
        self.compare(at, &seen, "a load after the page had failed and was dropped")?;
        Ok(Effect::Done)
    }

    /// In mappings of its own, since every mapping of the content loses its clean pages. A single byte may be what others repeat.
    pub(super) fn fail_captured(&mut self, seed: u8, period: u16) -> Outcome {
        let base = content::repeated(CONTENTS + u64::from(seed), period.into());
        let lane = self.arena.lane(LATER + 1);
        let page = |index: usize| Span { first: lane.first + index, count: 1 };
        expect("mmap of a page to fail", self.map_lane(Span { count: LATER, ..lane }, &base), Ok(()))?;
        self.lane_reads(page(LOADED), &base)?;
        if self.arena.advise(page(LOADED), MADV_HWPOISON).is_ok() {
            return Err(Failure::new(Kind::Answer, "MADV_HWPOISON took a captured page from its users"));
        }
        let bytes = |index: usize| Bytes { at: page(index).first * PAGE, len: PAGE };
        self.refused_load(bytes(UNTOUCHED), Reader::Pipe)?;
        // Mapped as it is, the kernel must not read it for others.
        self.refused_load(bytes(LOADED), Reader::ProcessVm)?;
        self.store_to_failed(page(STORED), &base, period)?;
        expect("mmap of what had failed", self.map_lane(page(LATER), &base), Ok(()))?;
        self.lane_reads(page(LATER), &base)?;
        expect("munmap of a failed page", self.arena.unmap(lane), Ok(()))
    }

    /// A content that repeats a few bytes is known without the captured page.
    fn store_to_failed(&mut self, page: Span, base: &Page, period: u16) -> Result<(), Failure> {
        let at = page.first * PAGE;
        if usize::from(period) == PAGE {
            return self.refused_store(Bytes { at, len: 1 }, 1, Writer::Pipe).map(drop);
        }
        self.arena.store(at, &[1], 1);
        let mut want = ***base;
        want[0] = 1;
        self.lane_reads(page, &want)
    }

    fn lane_reads(&self, page: Span, want: &[u8; PAGE]) -> Result<(), Failure> {
        let mut seen = [0; PAGE];
        self.arena.load(page.first * PAGE, &mut seen, 0);
        if seen == *want {
            Ok(())
        } else {
            Err(Failure::new(Kind::Bytes, "a page beside a failed one holds wrong bytes"))
        }
    }
}
