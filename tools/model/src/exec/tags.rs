// SPDX-License-Identifier: GPL-2.0

//! Memory tags: stored, compared, and checked by an access.

use super::{Effect, Outcome, World, expect};
use crate::arena;
use crate::failure::{Failure, Kind, test, test_io};
use crate::model::Access;
use crate::ops::{Bytes, GRANULE, PAGE, Prot, Span};
use crate::process;
use nix::errno::Errno;
use std::os::fd::AsFd;

/// Tags have four bits.
const LAST: u8 = 15;

impl World<'_> {
    pub(super) fn allow_tags(&mut self, span: Span, prot: Prot) -> Outcome {
        let got = self.arena.protect_tagged(span, prot);
        expect("mprotect with PROT_MTE", got, self.model.allow_tags(span, prot))
    }

    pub(super) fn store_tags(&mut self, bytes: Bytes, first: u8, step: u8) -> Outcome {
        let bytes = Bytes { len: self.model.reach_of_tags(bytes), ..bytes };
        let mut tag = first;
        for at in (bytes.at..bytes.at + bytes.len).step_by(GRANULE) {
            self.arena.store_tag(at, tag & LAST);
            self.model.store_tag(at, tag & LAST);
            tag = tag.wrapping_add(step);
        }
        self.compare_pages(bytes)?;
        Ok(if bytes.len == 0 { Effect::Nothing } else { Effect::Done })
    }

    /// By a pipe, where the kernel checks on behalf of the process: a load of its own would be a signal.
    pub(super) fn load_tagged(&mut self, at: usize, tag: u8) -> Outcome {
        let Some(page) = self.model.page(at / PAGE).filter(|_| self.model.allows(at / PAGE, Access::Load)) else {
            return Ok(Effect::Nothing);
        };
        let (_reader, writer) = process::pipe().map_err(test_io("a pipe"))?;
        let got = arena::checked(|| self.arena.send_tagged(writer.as_fd(), at, tag)).map_err(test("checking tags"))?;
        let want = match page.tag(at % PAGE) {
            Some(right) if right == tag => Ok(GRANULE),
            Some(_) => Err(Errno::EFAULT),
            None if page.tagged => return Ok(Effect::Nothing),
            None => Ok(GRANULE),
        };
        if got == want {
            return Ok(Effect::Done);
        }
        Err(Failure::new(Kind::Answer, format!("a load with the tag {tag} gave {got:?}, not {want:?}")))
    }

    /// The tags of a page, which is readable, where they can be used.
    pub(super) fn compare_tags(&mut self, page: usize) -> Result<(), Failure> {
        let Some(mapped) = self.model.page(page).filter(|page| page.tagged) else { return Ok(()) };
        let want = mapped.holds.tags;
        let seen = self.arena.tags(page);
        self.model.observe_tags(page, &seen).map_err(|mismatch| {
            let granule = mismatch.offset / GRANULE;
            let text = format!("page {page}, byte {}: tag {}, not {}", mismatch.offset, seen[granule], want[granule]);
            Failure::new(Kind::Bytes, text)
        })
    }
}
