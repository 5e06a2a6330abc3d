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
    page::BorrowedPage,
    sizes::{
        SZ_1K,
        SZ_32K, //
    }, //
};
use core::{
    marker::PhantomData,
    mem::MaybeUninit,
    ops::Range,
    ptr::NonNull, //
};

/// The number of pairs of words that one turn of the loop in [`fill_words`] stores.
const PAIRS: usize = 16;

/// Such pairs.
type Group = [MaybeUninit<[u64; 2]>; PAIRS];

/// The number of groups that are stored before they are copied. To copy less in one go is not worth
/// a string instruction.
const FIRST_GROUPS: usize = SZ_1K / size_of::<Group>();

/// The greatest number of groups that are copied in one go: so much is still in the cache.
const COPIED_GROUPS: usize = SZ_32K / size_of::<Group>();

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

    /// Fills `pages`, which are counted from the first one of the folio, by repeating `pair`.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if not all of them are there.
    #[inline]
    pub fn fill(&mut self, pages: Range<usize>, pair: [u64; 2]) -> Result {
        if pages.start > pages.end || pages.end > self.nr_pages {
            return Err(EINVAL);
        }

        // SAFETY: By the type invariants, the folio is valid. Without `CONFIG_HIGHMEM`, all of its
        // memory has an address.
        let start = unsafe { bindings::folio_address(self.folio.as_ptr()) }.cast::<u64>();
        // SAFETY: It has at least `pages.end` pages, and by the type invariants all of them are
        // ours.
        unsafe {
            fill_words(
                start.wrapping_add(pages.start * PAGE_WORDS),
                pages.len() * PAGE_WORDS,
                pair,
            )
        };
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

/// Fills `len` words by repeating `pair`.
///
/// # Safety
///
/// `start` must be valid for writes of that many words, which are whole pages.
// The way to a page of one word should be short.
#[inline(always)]
pub unsafe fn fill_words(start: *mut u64, len: usize, [even, odd]: [u64; 2]) {
    if even == odd {
        // SAFETY: The caller promises it.
        unsafe { bindings::memset64(start, even, len) };
    } else {
        // SAFETY: The caller promises it; pages are aligned for any type.
        let groups =
            unsafe { core::slice::from_raw_parts_mut(start.cast::<Group>(), len / 2 / PAIRS) };

        fill_groups(groups, even, odd);
    }

    // KMSAN sees neither string instructions nor the stores of Rust.
    #[cfg(CONFIG_KMSAN)]
    // SAFETY: The memory was just written.
    unsafe {
        bindings::kmsan_unpoison_memory(start.cast(), len * size_of::<u64>())
    };
}

/// Fills `groups` by repeating two words.
///
/// Not inlined: where the compiler knows the length, it makes a `memcpy()` of the `memmove()` that
/// copies by string instructions.
#[inline(never)]
fn fill_groups(groups: &mut [Group], even: u64, odd: u64) {
    for group in groups.iter_mut().take(FIRST_GROUPS) {
        for slot in group {
            slot.write([even, odd]);
        }
    }

    // Twice as many each time, as long as those are cached.
    let mut done = FIRST_GROUPS;
    while done < groups.len() {
        let copied = done.min(COPIED_GROUPS).min(groups.len() - done);
        groups.copy_within(..copied, done);
        done += copied;
    }
}
