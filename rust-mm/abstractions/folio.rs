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
        immutable::{
            ImmutablePage,
            PAGE_WORDS, //
        },
        virt::VmaRef, //
    },
    page::BorrowedPage, //
};
use core::{
    marker::PhantomData,
    mem::MaybeUninit,
    ptr::NonNull, //
};

/// The number of pairs of words that one turn of the loop in [`NewFolio::fill`] stores.
const PAIRS: usize = 16;

// No words are left over.
const _: () = assert!(PAGE_WORDS % (2 * PAIRS) == 0);

/// A folio that nobody else can see yet: it is not mapped, nor in any cache or list.
///
/// Whoever holds it fills it before it is mapped.
///
/// # Invariants
///
/// `folio` is valid and has `nr_pages` pages, and for the lifetime `'a` nobody else reads or writes
/// its memory.
pub struct NewFolio<'a> {
    folio: NonNull<bindings::folio>,
    nr_pages: usize,
    _memory: PhantomData<&'a mut [u64]>,
}

impl<'a> NewFolio<'a> {
    /// Wraps a folio that C has allocated. Whoever holds the reference on it goes on doing so.
    ///
    /// # Safety
    ///
    /// For the lifetime `'a`, `folio` must be valid and nobody else may access its memory.
    #[inline]
    pub unsafe fn from_raw(folio: NonNull<bindings::folio>) -> Self {
        // SAFETY: The caller promises that the folio is valid.
        // CAST: The number of pages is positive and fits.
        let nr_pages = unsafe { bindings::folio_nr_pages(folio.as_ptr()) as usize };

        // INVARIANT: The caller promises it.
        Self {
            folio,
            nr_pages,
            _memory: PhantomData,
        }
    }

    /// Returns the number of base pages in the folio, at least one.
    #[inline]
    pub fn nr_pages(&self) -> usize {
        self.nr_pages
    }

    /// Fills page `index` by repeating `pair`.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if there is no such page.
    pub fn fill(&mut self, index: usize, pair: [u64; 2]) -> Result {
        // By value: what lies behind a reference would be loaded again after each store.
        let [even, odd] = pair;

        self.page(index)?.with_page_mapped(|ptr| {
            if even == odd {
                // SAFETY: The page is mapped at `ptr`, and by the type invariants it is ours.
                unsafe {
                    bindings::memset64(ptr.cast(), even, PAGE_WORDS);
                }
            } else {
                // SAFETY: As above; a mapped page is aligned for `u64`.
                let groups = unsafe {
                    core::slice::from_raw_parts_mut(
                        ptr.cast::<[MaybeUninit<[u64; 2]>; PAIRS]>(),
                        PAGE_WORDS / 2 / PAIRS,
                    )
                };
                for group in groups {
                    for slot in group {
                        slot.write([even, odd]);
                    }
                }
            }

            // KMSAN sees neither string instructions nor the stores of Rust.
            #[cfg(CONFIG_KMSAN)]
            // SAFETY: The page is mapped at `ptr` and was just written.
            unsafe {
                bindings::kmsan_unpoison_memory(ptr.cast(), crate::page::PAGE_SIZE)
            };
        });
        Ok(())
    }

    /// Copies `source` to page `index`, which will be mapped at `addr`, in bytes, in `vma`.
    ///
    /// # Errors
    ///
    /// - [`EHWPOISON`] if the hardware cannot read `source`.
    /// - [`EINVAL`] if there is no such page.
    pub fn copy(
        &mut self,
        index: usize,
        source: &ImmutablePage,
        addr: usize,
        vma: &VmaRef,
    ) -> Result {
        let page = self.page(index)?.as_ptr();

        // SAFETY: Both pages and the VMA are valid, and by the type invariants the destination is
        // ours.
        let left =
            unsafe { bindings::copy_mc_user_highpage(page, source.as_ptr(), addr, vma.as_ptr()) };
        if left != 0 {
            return Err(EHWPOISON);
        }
        Ok(())
    }

    /// Returns page `index`.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if there is no such page.
    pub fn page(&mut self, index: usize) -> Result<BorrowedPage<'_>> {
        if index >= self.nr_pages {
            return Err(EINVAL);
        }

        // SAFETY: By the type invariants, the folio is valid and has a page `index`.
        let page = unsafe { bindings::folio_page(self.folio.as_ptr(), index) };
        // SAFETY: Each page of a valid folio is valid, and so it is as long as we are.
        Ok(unsafe { BorrowedPage::from_raw(NonNull::new(page).ok_or(EINVAL)?) })
    }
}
