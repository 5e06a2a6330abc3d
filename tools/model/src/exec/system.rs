// SPDX-License-Identifier: GPL-2.0

//! What the kernel does to memory on its own account: merging, reclaim, moves between places and nodes.

use super::{Effect, Outcome, World};
use crate::failure::{Failure, Kind, test_io};
use crate::kernel::knob;
use crate::model::Stored;
use crate::ops::{Huge, Ksm, PAGE, Span};
use nix::errno::Errno;
use std::ffi::c_void;
use std::ptr;

/// In <asm-generic/mman-common.h>, for testing.
const MADV_SOFT_OFFLINE: i32 = 101;
/// In <linux/mempolicy.h>: pages of this process alone.
const MPOL_MF_MOVE: i32 = 1 << 1;

impl World<'_> {
    pub(super) fn ksm(&mut self, what: Ksm) -> Outcome {
        // The daemon sleeps while there is nothing to look at.
        if !self.model.any_mergeable() {
            return Ok(Effect::Nothing);
        }
        knob::ksm(what).map_err(test_io("merging pages"))?;
        Ok(Effect::Done)
    }

    pub(super) fn set_huge(&mut self, kib: u32, setting: Huge) -> Outcome {
        knob::set_huge(kib, setting).map_err(test_io("huge pages"))?;
        self.model.may_be_huge |= setting != Huge::Never;
        Ok(Effect::Done)
    }

    pub(super) fn khugepaged(&mut self) -> Outcome {
        // The daemon sleeps where there is nothing to look at.
        if !self.model.may_be_huge {
            return Ok(Effect::Nothing);
        }
        knob::khugepaged().map_err(test_io("collapsing pages"))?;
        Ok(Effect::Done)
    }

    pub(super) fn reclaim(&mut self, pages: usize) -> Outcome {
        knob::reclaim(pages * PAGE).map_err(test_io("reclaim"))?;
        Ok(Effect::Done)
    }

    pub(super) fn squeeze(&mut self, pages: usize) -> Outcome {
        knob::squeeze(pages * PAGE).map_err(test_io("a memory limit"))?;
        Ok(Effect::Done)
    }

    pub(super) fn compact(&mut self) -> Outcome {
        knob::compact().map_err(test_io("compaction"))?;
        Ok(Effect::Done)
    }

    /// A clean page is on no node, and a stored one that is not in swap is on the new node, or stays for a reason.
    pub(super) fn move_pages(&mut self, span: Span, node: u32) -> Outcome {
        let mut addresses: Vec<*mut c_void> =
            span.pages().map(|page| ptr::with_exposed_provenance_mut(self.arena.page(page))).collect();
        let nodes = vec![node as i32; span.count];
        let mut states = vec![i32::MIN; span.count];
        // SAFETY: the three lists have as many entries as the call is told.
        let got = unsafe {
            libc::syscall(
                libc::SYS_move_pages,
                0,
                span.count,
                addresses.as_mut_ptr(),
                nodes.as_ptr(),
                states.as_mut_ptr(),
                MPOL_MF_MOVE,
            )
        };
        if got < 0 {
            return Err(Failure::new(Kind::Answer, format!("move_pages gave {:?}", Errno::last())));
        }
        for (page, state) in span.pages().zip(states) {
            self.check_moved(page, state)?;
        }
        Ok(Effect::Done)
    }

    /// A clean page has none, unless it is part of a large folio.
    fn check_moved(&self, page: usize, state: i32) -> Result<(), Failure> {
        let Some(mapped) = self.model.page(page) else { return Ok(()) };
        let clean = mapped.reference && mapped.stored == Stored::No && !mapped.guard && !self.model.may_be_huge;
        if clean && state != -libc::ENOENT {
            let text = format!("move_pages put a clean page, {page}, on a node or gave {state}, not ENOENT");
            return Err(Failure::new(Kind::Answer, text));
        }
        Ok(())
    }

    /// Only of a page that memory was stored for, since a captured page cannot move. The kernel may find it busy, or, when it
    /// looks again, in other use.
    pub(super) fn soft_offline(&mut self, page: usize) -> Outcome {
        let own = self.model.page(page).is_some_and(|page| page.stored == Stored::Yes && page.readable());
        if !own {
            return Ok(Effect::Nothing);
        }
        let got = self.arena.advise(Span { first: page, count: 1 }, MADV_SOFT_OFFLINE);
        match got {
            Ok(()) | Err(Errno::EBUSY | Errno::EIO | Errno::EAGAIN | Errno::ENOMEM | Errno::ENOTRECOVERABLE) => {
                Ok(Effect::Done)
            }
            Err(error) => Err(Failure::new(Kind::Answer, format!("soft offlining gave {error:?}"))),
        }
    }
}
