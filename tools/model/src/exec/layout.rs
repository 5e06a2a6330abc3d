// SPDX-License-Identifier: GPL-2.0

//! `mprotect()`, `madvise()`, `mlock()`, `mremap()`.

use super::{Effect, Outcome, World, expect, expect_either};
use crate::failure::{Failure, Kind};
use crate::ops::{Advice, Lock, PAGE, Prot, Remap, Span};
use nix::errno::Errno;

impl World<'_> {
    pub(super) fn protect(&mut self, span: Span, prot: Prot) -> Outcome {
        let got = self.arena.protect(span, prot);
        expect("mprotect", got, self.model.protect(span, prot))
    }

    pub(super) fn lock(&mut self, span: Span, lock: Lock) -> Outcome {
        let got = self.arena.lock(span, lock);
        expect(&format!("{lock:?} lock"), got, self.model.lock(span, lock))
    }

    pub(super) fn advise(&mut self, span: Span, advice: Advice) -> Outcome {
        let got = self.arena.advise(span, advice.number());
        expect_either(&format!("madvise {advice:?}"), got, self.model.advise(span, advice))
    }

    pub(super) fn remap(&mut self, span: Span, form: Remap) -> Outcome {
        if !self.model.movable(span) {
            return Ok(Effect::Nothing);
        }
        match form {
            Remap::Shrink(count) => self.shrink(span, count),
            Remap::Grow(by) => self.grow(span, by),
            Remap::GrowAnywhere { by, to } => self.grow_anywhere(span, by, to),
            Remap::Fixed { to, count } if count == span.count => {
                let span = self.in_one_go(span)?;
                self.relocate(span, to, span.count, false)
            }
            Remap::Fixed { to, count } => self.relocate(self.within_one(span)?, to, count, false),
            Remap::Keep(to) => {
                let span = self.in_one_go(span)?;
                self.relocate(span, to, span.count, true)
            }
        }
    }

    /// The part that moves as a whole or not at all. Where pages may be merged, a signal stops the call, which is then
    /// made again from its beginning, even if mappings before those pages have moved. What these held is lost.
    fn in_one_go(&self, span: Span) -> Result<Span, Failure> {
        let first = self.within_one(span)?;
        let mut rest = (first.end()..span.end()).filter_map(|page| self.model.page(page));
        Ok(if rest.any(|page| page.mergeable) { first } else { span })
    }

    /// The part that lies in the mapping of the first page.
    fn within_one(&self, span: Span) -> Result<Span, Failure> {
        let end = self.mapping_end(span.first)?;
        Ok(Span { count: span.count.min(end - span.first), ..span })
    }

    /// The page after the mapping of this page.
    fn mapping_end(&self, page: usize) -> Result<usize, Failure> {
        let address = self.arena.page(page);
        let end = self
            .mappings
            .end(address)
            .map_err(|error| Failure::new(Kind::Layout, format!("no mapping at page {page}: {error}")))?;
        Ok(page + (end - address) / PAGE)
    }

    fn shrink(&mut self, span: Span, count: usize) -> Outcome {
        let got = self.arena.resize(span, count.min(span.count));
        self.model.shrink(span, count.min(span.count));
        expect("mremap to fewer pages", got, Ok(()))
    }

    /// To the end of its mapping, and beyond if nothing is in the way.
    fn grow(&mut self, span: Span, by: usize) -> Outcome {
        let end = self.mapping_end(span.first)?;
        let span = Span { first: span.first, count: end - span.first };
        let added = Span { first: end, count: by };
        if added.end() > self.model.len() || !self.model.movable(span) {
            return Ok(Effect::Nothing);
        }
        let got = self.arena.resize(span, span.count + by);
        let want = if self.model.free(added) { Ok(()) } else { Err(Errno::ENOMEM) };
        if want.is_ok() {
            self.model.grow(span, by);
        }
        expect("mremap to more pages in place", got, want)
    }

    fn grow_anywhere(&mut self, span: Span, by: usize, to: usize) -> Outcome {
        let span = self.within_one(span)?;
        let count = span.count + by;
        if to + count > self.model.len() {
            return Ok(Effect::Nothing);
        }
        let address = self.arena.send_away(span, count);
        let address =
            address.map_err(|error| Failure::new(Kind::Answer, format!("mremap to anywhere gave {error:?}")))?;
        if address == self.arena.page(span.first) {
            return self.grown_in_place(span, by);
        }
        let got = self.arena.bring_back(address, count, to);
        self.model.relocate(span, to, count, false);
        expect("mremap back", got, Ok(()))
    }

    /// There was room behind it, which may reach beyond the arena.
    fn grown_in_place(&mut self, span: Span, by: usize) -> Outcome {
        let inside = by.min(self.model.len() - span.end());
        if inside < by {
            let beyond = Span { first: self.model.len(), count: by - inside };
            expect("munmap beyond the arena", self.arena.unmap(beyond), Ok(()))?;
        }
        self.model.grow(span, inside);
        Ok(Effect::Done)
    }

    fn relocate(&mut self, span: Span, to: usize, count: usize, keep: bool) -> Outcome {
        let target = Span { first: to, count };
        if target.end() > self.model.len() || target.overlaps(span) {
            return Ok(Effect::Nothing);
        }
        let got = self.arena.relocate(span, to, count, keep);
        self.model.relocate(span, to, count, keep);
        expect(if keep { "mremap that keeps the mapping" } else { "mremap to a place" }, got, Ok(()))
    }
}
