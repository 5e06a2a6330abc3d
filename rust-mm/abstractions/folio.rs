// SPDX-License-Identifier: GPL-2.0

//! Folios that were allocated a moment ago.
//!
//! C header: [`include/linux/mm.h`](srctree/include/linux/mm.h)

use crate::{
    bindings,
    error::{
        code::*,
        Result, //
    },
    mm::{
        frozen::{FrozenPage, PAGE_WORDS},
        virt::VmaRef, //
    }, //
};
use core::{
    marker::PhantomData,
    mem::MaybeUninit,
    ptr::NonNull, //
};

/// A folio that nobody else can see yet: it is not mapped, nor in any cache or list.
///
/// Whoever holds it fills it before it is mapped.
///
/// # Invariants
///
/// `folio` is valid, and for the lifetime `'a` nobody else reads or writes its memory.
pub struct NewFolio<'a> {
    folio: NonNull<bindings::folio>,
    _memory: PhantomData<&'a mut [u64]>,
}

impl<'a> NewFolio<'a> {
    /// Wraps a folio that C has allocated.
    ///
    /// # Safety
    ///
    /// For the lifetime `'a`, `folio` must be valid and nobody else may access its memory.
    #[inline]
    pub unsafe fn from_raw(folio: NonNull<bindings::folio>) -> Self {
        // INVARIANT: The caller promises it.
        Self {
            folio,
            _memory: PhantomData,
        }
    }

    /// Returns the number of base pages in the folio, at least one.
    #[inline]
    pub fn nr_pages(&self) -> usize {
        // SAFETY: By the type invariants, the folio is valid.
        // CAST: The number of pages is positive and fits.
        unsafe { bindings::folio_nr_pages(self.folio.as_ptr()) as usize }
    }

    /// Fills page `index` by repeating `pair`.
    ///
    /// Does nothing if there is no such page.
    pub fn fill(&mut self, index: usize, pair: [u64; 2]) {
        self.with_page_mapped(index, |ptr| {
            if pair[0] == pair[1] {
                // SAFETY: The page is mapped at `ptr`, and by the type invariants it is ours.
                unsafe {
                    bindings::memset64(ptr, pair[0], PAGE_WORDS);
                }
                return;
            }

            // SAFETY: As above; a mapped page is aligned for `u64`.
            let pairs = unsafe {
                core::slice::from_raw_parts_mut(ptr.cast::<MaybeUninit<[u64; 2]>>(), PAGE_WORDS / 2)
            };
            pairs.fill(MaybeUninit::new(pair));
        });
    }

    /// Copies `source` to page `index`, which will be mapped at `addr` in `vma`.
    ///
    /// # Errors
    ///
    /// - [`EHWPOISON`] if the hardware cannot read `source`.
    /// - [`EINVAL`] if there is no such page.
    pub fn copy(&mut self, index: usize, source: &FrozenPage, addr: usize, vma: &VmaRef) -> Result {
        let page = self.page(index).ok_or(EINVAL)?;

        // SAFETY: Both pages and the VMA are valid, and by the type invariants the destination is
        // ours.
        let left =
            unsafe { bindings::copy_mc_user_highpage(page, source.as_ptr(), addr, vma.as_ptr()) };
        if left != 0 {
            return Err(EHWPOISON);
        }
        Ok(())
    }

    fn page(&mut self, index: usize) -> Option<*mut bindings::page> {
        if index >= self.nr_pages() {
            return None;
        }
        // SAFETY: The folio is valid and has a page `index`.
        Some(unsafe { bindings::folio_page(self.folio.as_ptr(), index) })
    }

    fn with_page_mapped(&mut self, index: usize, f: impl FnOnce(*mut u64)) {
        let Some(page) = self.page(index) else { return };

        // SAFETY: The page is valid.
        let ptr = unsafe { bindings::kmap_local_page(page) };
        f(ptr.cast());
        // SAFETY: `ptr` comes from `kmap_local_page`, and `f` has released what it mapped.
        unsafe { bindings::kunmap_local(ptr) };
    }
}
