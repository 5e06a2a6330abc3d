// SPDX-License-Identifier: GPL-2.0

//! Memory tags: what some architectures keep for memory beside its bytes.
//!
//! They are captured with the reference page and are a part of its content. What they look like
//! is known to the architecture alone, see `arch_refpage_capture_tags()`; where there are none,
//! no captured page has any.

use kernel::{
    bindings,
    mm::{
        folio::NewFolio,
        gup::UserPage,
        immutable::ImmutablePage,
        virt::VmaRef, //
    },
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
    ///
    /// # Safety
    ///
    /// Nobody else may know `page` yet, and the current task must have an address space.
    pub(crate) unsafe fn capture(page: &ImmutablePage, source: &UserPage, addr: usize) -> Self {
        // SAFETY: Both pages are valid, any address will do, and the caller promises the rest.
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

    /// Gives page `index` of `folio` these tags, those of `captured`.
    ///
    /// Returns whether it also repeated `pair` over the page: some architectures can store
    /// tags and bytes in one go.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if there is no such page.
    pub(crate) fn fill(
        self,
        folio: &mut NewFolio<'_>,
        index: usize,
        captured: &ImmutablePage,
        pair: [u64; 2],
    ) -> Result<bool> {
        // The processor may not have any.
        if !self.any() {
            return Ok(false);
        }

        let (page, captured) = (folio.page(index)?.as_ptr(), captured.as_ptr());
        // SAFETY: Both pages are valid, and nobody else can see those of `folio`.
        Ok(unsafe { bindings::arch_refpage_fill_tags(page, captured, self.0, pair[0], pair[1]) })
    }
}

/// Copies `captured`, which has no tags, to page `index` of `folio`, which will be mapped at `addr`
/// in `vma`.
///
/// As opposed to any other copy of it, this one does not look as if it had tags.
///
/// # Errors
///
/// - [`EHWPOISON`] if the hardware cannot read `captured`.
/// - [`EINVAL`] if there is no such page.
pub(crate) fn copy_untagged(
    folio: &mut NewFolio<'_>,
    index: usize,
    captured: &ImmutablePage,
    addr: usize,
    vma: &VmaRef,
) -> Result {
    let (page, captured) = (folio.page(index)?.as_ptr(), captured.as_ptr());
    // SAFETY: Both pages and the VMA are valid, and nobody else can see those of `folio`.
    let left = unsafe { bindings::arch_refpage_copy_untagged(page, captured, addr, vma.as_ptr()) };
    if left != 0 {
        return Err(EHWPOISON);
    }
    Ok(())
}
