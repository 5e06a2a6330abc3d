// SPDX-License-Identifier: GPL-2.0

//! `mmap()` of both kinds.

use super::{Effect, Outcome, World, expect};
use crate::arena::Request;
use crate::content;
use crate::content::Page;
use crate::failure::{Failure, Kind, test_io};
use crate::kernel::fault;
use crate::model::{Answer, Mapped};
use crate::ops::{Content, Map, MapFlag, PAGE, Prot, Span, Wrong};
use nix::errno::Errno;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::rc::Rc;

/// A page of ordinary memory outside of the arena, to be captured.
#[repr(align(4096))]
struct Source([u8; PAGE]);

impl World<'_> {
    pub(super) fn map(&mut self, map: &Map) -> Outcome {
        let (got, want) = self.try_map(map, |act| Ok((act(), false)))?;
        expect("mmap", got, want)
    }

    /// With an allocation that fails, the call may fail too. Then all is as it was, or, as for every kind of mapping,
    /// what was to be replaced is gone, where the kernel had got so far.
    pub(super) fn map_failing(&mut self, nth: u32, map: &Map) -> Outcome {
        // Populating fails in silence: that would leave open which pages are stored.
        let map = Map { flag: MapFlag::Nothing, ..*map };
        let mut failed = false;
        let (got, want) = self.try_map(&map, |act| {
            let result = fault::failing(nth, act).map_err(test_io("fault injection"))?;
            failed = result.1;
            Ok(result)
        })?;
        if failed && got == Err(Errno::ENOMEM) {
            if self.nothing_mapped(map.span)? {
                self.model.unmap(map.span);
            }
            self.compare_all()?;
            return self.count();
        }
        expect("mmap, with an allocation that fails", got, want)
    }

    /// Gives what the call answered and what it had to.
    fn try_map(
        &mut self,
        map: &Map,
        around: impl FnOnce(&dyn Fn() -> Answer) -> Result<(Answer, bool), Failure>,
    ) -> Result<(Answer, Answer), Failure> {
        let fixed = content::fixed(map.content);
        let mut source = Box::new(Source(fixed.as_ref().map_or([0; PAGE], |page| ***page)));
        let (reference, capture) = match map.content {
            Content::Arena(page) => (self.arena.page(page), self.model.may_capture(page)),
            _ => (source.0.as_ptr().expose_provenance(), Ok(())),
        };
        let before = self.captured_candidates(map.content);
        let want = capture.and_then(|()| self.model.may_map(map));
        let request = Request::reference(map.prot, map.flag, reference);
        let arena = self.arena;
        let (got, _) = around(&|| arena.map(map.span, &request))?;
        // The capture is over: this must change nothing.
        source.0.fill(0xee);
        if got.is_ok() && want.is_ok() {
            let base = match fixed {
                Some(page) => page,
                None => self.seen_base(map.span.first, before)?,
            };
            self.model.map(map, &base);
        }
        Ok((got, want))
    }

    /// What a page of the arena may read as, nothing if it is not mapped.
    fn captured_candidates(&self, content: Content) -> Vec<Page> {
        let Content::Arena(page) = content else { return Vec::new() };
        self.model.page(page).into_iter().flat_map(Mapped::captured).collect()
    }

    /// What was captured, where the kernel was free to drop the page before: it must be one of the candidates.
    fn seen_base(&self, page: usize, before: Vec<Page>) -> Result<Page, Failure> {
        match &before[..] {
            [] => return Err(Failure::new(Kind::Answer, "mmap captured a page that is not mapped")),
            [only] => return Ok(Rc::clone(only)),
            _ => (),
        }
        let mut seen = [0; PAGE];
        let at = self.arena.page(page) as u64;
        self.memory.read_exact_at(&mut seen, at).map_err(test_io("reading what was captured"))?;
        before
            .into_iter()
            .find(|page| ***page == seen)
            .ok_or_else(|| Failure::new(Kind::Bytes, format!("page {page} reads as what its reference page never was")))
    }

    pub(super) fn map_wrong(&mut self, span: Span, wrong: Wrong) -> Outcome {
        let source = Box::new(Source([1; PAGE]));
        let good = Request::reference(Prot::Write, MapFlag::Nothing, source.0.as_ptr().expose_provenance());
        let (request, want) = match wrong {
            Wrong::Misaligned => (Request { reference: good.reference + 8, ..good }, Errno::EINVAL),
            Wrong::Flag => (Request { flags: good.flags | libc::MAP_GROWSDOWN, ..good }, Errno::EINVAL),
            Wrong::File => (Request { fd: self.memory.as_raw_fd(), ..good }, Errno::EINVAL),
            // A page below what any mapping may have.
            Wrong::Unmapped => (Request { reference: PAGE, ..good }, Errno::EFAULT),
        };
        expect("mmap with a wrong argument", self.arena.map(span, &request), Err(want))
    }

    pub(super) fn map_plain(&mut self, span: Span, prot: Prot, populate: bool) -> Outcome {
        let got = self.arena.map(span, &Request::plain(prot, populate));
        self.model.map_plain(span, &content::zeros(), prot, populate);
        expect("mmap of ordinary memory", got, Ok(()))
    }

    pub(super) fn unmap(&mut self, span: Span) -> Outcome {
        let got = self.arena.unmap(span);
        let effect = if self.model.any_mapped(span) { Effect::Done } else { Effect::Nothing };
        self.model.unmap(span);
        expect("munmap", got, Ok(())).map(|_| effect)
    }
}
