// SPDX-License-Identifier: GPL-2.0

//! Who pays for reference pages, and what users see of them.
//!
//! - A captured page and its bookkeeping are charged to the memory cgroup of the task that calls
//!   mmap(), as kernel memory, and stay so until the last mapping of the content is gone.
//! - A clean page is nobody's RSS: its PTE is special, like that of the zero page, and the
//!   functions that count RSS look at normal pages only.
//! - A private page is anonymous memory and is counted and charged as such by the fault handler.

use kernel::{
    alloc::{
        flags::{
            GFP_KERNEL_ACCOUNT,
            __GFP_RETRY_MAYFAIL,
            __GFP_SKIP_KASAN, //
        },
        Flags, //
    },
    mm::{
        immutable::ImmutablePage,
        vmstat::{
            self,
            Event,
            NodeStat, //
        }, //
    },
};

/// How bookkeeping is allocated: charged, and at the limit mmap() fails instead of killing a task.
pub(crate) fn flags() -> Flags {
    GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL
}

/// How captured pages are allocated: the same, fit to be mapped to user space, and not movable.
pub(crate) fn page_flags() -> Flags {
    flags() | __GFP_SKIP_KASAN
}

/// A captured page that is counted in `nr_refpage` as long as it lives.
pub(crate) struct CountedPage(ImmutablePage);

impl CountedPage {
    /// Counts `page` as captured.
    pub(crate) fn new(page: ImmutablePage) -> Self {
        vmstat::mod_node_stat(&page, NodeStat::Refpage, 1);
        vmstat::count_event(Event::RefpageCapture);
        Self(page)
    }
}

impl core::ops::Deref for CountedPage {
    type Target = ImmutablePage;

    #[inline]
    fn deref(&self) -> &ImmutablePage {
        &self.0
    }
}

impl Drop for CountedPage {
    fn drop(&mut self) {
        vmstat::mod_node_stat(&self.0, NodeStat::Refpage, -1);
    }
}

/// Counts a private folio that was filled with reference content.
#[inline]
pub(crate) fn count_cow() {
    vmstat::count_event(Event::RefpageCow);
}
