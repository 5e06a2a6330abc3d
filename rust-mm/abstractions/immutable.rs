// SPDX-License-Identifier: GPL-2.0

//! Pages whose content no longer changes.

use crate::{
    alloc::{
        flags::__GFP_ZERO,
        Flags, //
    },
    bindings,
    error::{
        code::*,
        Result, //
    },
    mm::gup::UserPage,
    page::{
        BorrowedPage,
        Page,
        PAGE_SIZE, //
    }, //
};

/// The number of 64-bit words in a page.
pub const PAGE_WORDS: usize = PAGE_SIZE / size_of::<u64>();

/// A page whose content was written once and does not change any more.
///
/// That makes it safe to look at the content through a shared reference, also while user space
/// maps the page read-only.
///
/// # Invariants
///
/// The page is initialized and nobody writes to it.
///
/// # Examples
///
/// ```
/// use kernel::mm::immutable::{
///     ImmutablePage,
///     PAGE_WORDS, //
/// };
///
/// let page = ImmutablePage::new(GFP_KERNEL, |words| words.fill(0xaa))?;
///
/// assert_eq!(page.with_words(|words| words.len()), PAGE_WORDS);
/// assert!(page.with_words(|words| words.iter().all(|&word| word == 0xaa)));
/// # Ok::<(), Error>(())
/// ```
pub struct ImmutablePage(Page);

impl ImmutablePage {
    /// Allocates a page and lets `init` write its content, which starts as zeros.
    ///
    /// May sleep if `flags` allow it.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`] if there is no page or the memory cgroup is at its limit.
    pub fn new(flags: Flags, init: impl FnOnce(&mut [u64; PAGE_WORDS])) -> Result<Self> {
        let page = Page::alloc_page(flags | __GFP_ZERO)?;

        page.with_page_mapped(|ptr| {
            // SAFETY: The page is mapped at `ptr`, aligned and zeroed, and nobody else has it yet.
            init(unsafe { &mut *ptr.cast() })
        });

        // INVARIANT: The page was zeroed, and after `init` nobody can write to it: we own it and
        // give out shared references only.
        Ok(Self(page))
    }

    /// Allocates a page with the content that `source` has now.
    ///
    /// May sleep if `flags` allow it.
    ///
    /// If somebody writes to `source` at the same time then each of its bytes is either the old or
    /// the new one.
    ///
    /// # Errors
    ///
    /// - [`ENOMEM`] if there is no page or the memory cgroup is at its limit.
    /// - [`EFAULT`] if the hardware cannot read `source`.
    pub fn copy_of(source: &UserPage, flags: Flags) -> Result<Self> {
        let page = Page::alloc_page(flags)?;
        // SAFETY: The pointer is valid, and so it is as long as `source` is.
        let source = unsafe { BorrowedPage::from_raw(source.as_raw()) };
        // Its C type depends on the architecture.
        let size = PAGE_SIZE.try_into()?;

        let left = page.with_page_mapped(|to| {
            // SAFETY: Both pages are mapped for `size` bytes and ours is not shared with anyone.
            // The C function copes with concurrent writers of `source`.
            source.with_page_mapped(|from| unsafe {
                bindings::copy_mc_to_kernel(to.cast(), from.cast(), size)
            })
        });
        if left != 0 {
            return Err(EFAULT);
        }

        // INVARIANT: The copy initialized the page, and we give out shared references only.
        Ok(Self(page))
    }

    /// Runs `f` with the content.
    ///
    /// The page is mapped with `kmap_local_page` meanwhile, so `f` stays on its task. If the memory
    /// has failed then reading it is as bad as reading any other memory that has failed: see
    /// [`ImmutablePage::is_poisoned`].
    pub fn with_words<R>(&self, f: impl FnOnce(&[u64; PAGE_WORDS]) -> R) -> R {
        self.0.with_page_mapped(|ptr| {
            // SAFETY: The page is mapped at `ptr`, aligned, and by the type invariants it is
            // initialized and does not change.
            f(unsafe { &*ptr.cast() })
        })
    }

    /// Tells whether the memory of the page has failed, so that it should not be read any more.
    ///
    /// It may fail at any time: what is `false` now need not stay so.
    #[inline]
    pub fn is_poisoned(&self) -> bool {
        // SAFETY: The page is valid.
        unsafe { bindings::PageHWPoison(self.as_ptr()) }
    }

    /// Returns a raw pointer to the page, which must not be written to.
    #[inline]
    pub fn as_ptr(&self) -> *mut bindings::page {
        self.0.as_ptr()
    }
}
