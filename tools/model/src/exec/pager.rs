// SPDX-License-Identifier: GPL-2.0

//! User-space pagers.

use super::{Effect, Outcome, World, expect};
use crate::content;
use crate::failure::{Failure, Kind, test};
use crate::kernel::pager::Pager;
use crate::kernel::scan;
use crate::model::{Access, Answer};
use crate::ops::{Advice, Fill, PAGE, Span};
use nix::errno::Errno;

impl World<'_> {
    pub(super) fn pager_fill(&mut self, span: Span, fill: Fill) -> Outcome {
        if !self.unguarded(span) {
            return Ok(Effect::Nothing);
        }
        let pager = Pager::missing(self.arena.page(span.first), span.count * PAGE).map_err(test("a pager"))?;
        expect("MADV_DONTNEED_LOCKED", self.arena.advise(span, Advice::DontNeedLocked.number()), Ok(()))?;
        self.model.drop_span(span);
        for page in span.pages() {
            expect("a pager's fill", self.fill_page(&pager, page, fill), Ok(()))?;
        }
        expect("the end of a pager", pager.finish(), Ok(()))
    }

    /// Zeros are a clean page in ordinary memory, and must be stored in the type under test. Memory tags are zeros, too.
    fn fill_page(&mut self, pager: &Pager, page: usize, fill: Fill) -> Answer {
        let address = self.arena.page(page);
        match fill {
            Fill::Zeros => {
                pager.zero(address)?;
                if self.model.is_reference(page) {
                    self.model.replace(page, &content::zeros());
                }
            }
            Fill::Copy(seed) => {
                let bytes = content::repeated(seed.into(), PAGE);
                pager.copy(address, &bytes)?;
                self.model.replace(page, &bytes);
            }
        }
        Ok(())
    }

    pub(super) fn pager_move(&mut self, from: usize, to: usize) -> Outcome {
        let (source, target) = (Span { first: from, count: 1 }, Span { first: to, count: 1 });
        let one_is_reference = self.model.is_reference(from) || self.model.is_reference(to);
        if from == to || !one_is_reference || !self.unguarded(source) || !self.unguarded(target) {
            return Ok(Effect::Nothing);
        }
        let pager = Pager::missing(self.arena.page(to), PAGE).map_err(test("a pager"))?;
        expect("UFFDIO_MOVE", pager.move_page(self.arena.page(from), self.arena.page(to)), Err(Errno::EINVAL))?;
        expect("the end of a pager", pager.finish(), Ok(()))
    }

    pub(super) fn pager_protect(&mut self, span: Span, seed: u8) -> Outcome {
        if !self.unguarded(span) {
            return Ok(Effect::Nothing);
        }
        let (start, end) = (self.arena.page(span.first), self.arena.page(span.end()));
        let pager = Pager::protecting(start, end - start).map_err(test("a protecting pager"))?;
        let every_second = span.pages().step_by(2);
        let stored: Vec<usize> = every_second.filter(|page| self.model.allows(*page, Access::Store)).collect();
        let data = content::bytes(seed.into(), 8);
        for page in &stored {
            if cfg!(target_arch = "aarch64") {
                // A store to a page that is old makes this kernel warn of what it does itself, in any mapping (README).
                self.arena.load(page * PAGE, &mut [0], 1);
            }
            self.arena.store(page * PAGE, &data, 8);
            self.model.store(page * PAGE, &data);
        }
        let regions = scan::written(start, end, span.count).map_err(test("PAGEMAP_SCAN"))?;
        for page in span.pages() {
            let address = self.arena.page(page);
            let written = regions.iter().any(|(start, end)| (*start..*end).contains(&address));
            if written != stored.contains(&page) {
                let text = format!("page {page} under a protecting pager: written is {written}");
                return Err(Failure::new(Kind::Answer, text));
            }
        }
        expect("the end of a pager", pager.finish(), Ok(()))
    }

    fn unguarded(&self, span: Span) -> bool {
        span.pages().all(|page| self.model.allows(page, Access::Forced))
    }
}
