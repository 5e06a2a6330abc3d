// SPDX-License-Identifier: GPL-2.0

//! Memory tags: what some architectures keep for memory beside its bytes.
//!
//! They are captured with the reference page and are a part of its content. What they look like
//! is known to the architecture alone, see `arch_refpage_capture_tags()`; where there are none,
//! all of this compiles to nothing.

use kernel::{
    bindings,
    mm::{
        gup::UserPage,
        immutable::ImmutablePage,
        virt::VmaRef, //
    },
    page::BorrowedPage,
    prelude::*, //
};

/// What the architecture says of the tags of a captured page.
///
/// Equal ones may still be of other tags, as with hashes: see [`Tags::same`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tags(u64);

impl Tags {
    /// No tags.
    pub(crate) const NONE: Self = Self(0);

    /// Gives `page`, a copy of `source` that nobody maps yet, its tags as well, if the mapping
    /// at `addr` in the address space of the current task shows them.
    ///
    /// May sleep; must be called without any mmap lock.
    pub(crate) fn capture(page: &ImmutablePage, source: &UserPage, addr: usize) -> Self {
        // SAFETY: Both pages are valid, nobody maps the first one, any address will do, and the
        // current task has an address space, since `source` comes from there.
        Self(unsafe {
            bindings::arch_refpage_capture_tags(page.as_ptr(), source.as_raw().as_ptr(), addr)
        })
    }

    /// Are there any?
    #[inline]
    pub(crate) fn any(self) -> bool {
        self != Self::NONE
    }

    /// Returns a number that is the same for equal tags.
    #[inline]
    pub(crate) fn into_raw(self) -> u64 {
        self.0
    }

    /// Are these, the tags of `page`, equal to `other`, those of `other_page`?
    pub(crate) fn same(
        self,
        page: &ImmutablePage,
        other: Self,
        other_page: &ImmutablePage,
    ) -> bool {
        if !self.any() || self != other {
            return self == other;
        }

        // SAFETY: Both pages are valid and were captured.
        unsafe { bindings::arch_refpage_same_tags(page.as_ptr(), other_page.as_ptr()) }
    }

    /// Gives `page`, which nobody maps yet, these tags, those of `captured`.
    ///
    /// Returns whether it also repeated `pair` over the page: some architectures can store
    /// tags and bytes in one go.
    pub(crate) fn fill(
        self,
        page: BorrowedPage<'_>,
        captured: &ImmutablePage,
        pair: [u64; 2],
    ) -> bool {
        if !self.any() {
            return false;
        }

        let (page, captured) = (page.as_ptr(), captured.as_ptr());
        // SAFETY: Both pages are valid, and nobody maps `page`.
        unsafe { bindings::arch_refpage_fill_tags(page, captured, self.0, pair[0], pair[1]) }
    }
}

/// Copies `captured`, which has no tags, to `page`, which nobody maps yet and which will be mapped
/// at `addr` in `vma`.
///
/// As opposed to any other copy of it, this one does not look as if it had tags.
///
/// # Errors
///
/// [`EHWPOISON`] if the hardware cannot read `captured`.
pub(crate) fn copy_untagged(
    page: BorrowedPage<'_>,
    captured: &ImmutablePage,
    addr: usize,
    vma: &VmaRef,
) -> Result {
    let (page, captured) = (page.as_ptr(), captured.as_ptr());
    // SAFETY: Both pages and the VMA are valid, and nobody maps `page`.
    let left = unsafe { bindings::arch_refpage_copy_untagged(page, captured, addr, vma.as_ptr()) };
    if left != 0 {
        return Err(EHWPOISON);
    }
    Ok(())
}
