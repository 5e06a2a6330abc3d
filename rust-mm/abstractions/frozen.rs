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
    ffi::c_void,
    mm::pin::PinnedUserPage,
    page::{
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
/// use kernel::mm::frozen::{FrozenPage, PAGE_WORDS};
///
/// let page = FrozenPage::new(GFP_KERNEL, |words| words.fill(0xaa))?;
///
/// assert_eq!(page.with_words(|words| words.len()), PAGE_WORDS);
/// assert!(page.with_words(|words| words.iter().all(|&word| word == 0xaa)));
/// # Ok::<(), Error>(())
/// ```
pub struct FrozenPage(Page);

impl FrozenPage {
    /// Allocates a page and lets `init` write its content, which starts as zeros.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`] if there is no page or the memory cgroup is at its limit.
    pub fn new(flags: Flags, init: impl FnOnce(&mut [u64; PAGE_WORDS])) -> Result<Self> {
        let page = Page::alloc_page(flags | __GFP_ZERO)?;

        with_mapped(&page, |ptr| {
            // SAFETY: The page is mapped at `ptr`, aligned and zeroed, and nobody else has it yet.
            init(unsafe { &mut *ptr.cast() })
        });

        // INVARIANT: The page was zeroed, and after `init` nobody can write to it: we own it and
        // give out shared references only.
        Ok(Self(page))
    }

    /// Allocates a page with the content that `source` has now.
    ///
    /// If somebody writes to `source` at the same time then each of its bytes is either the old or
    /// the new one.
    ///
    /// # Errors
    ///
    /// - [`ENOMEM`] if there is no page or the memory cgroup is at its limit.
    /// - [`EFAULT`] if the hardware cannot read `source`.
    pub fn copy_of(source: &PinnedUserPage, flags: Flags) -> Result<Self> {
        let page = Page::alloc_page(flags)?;

        // SAFETY: Both pages are valid and ours is not shared with anyone. The C function copes
        // with concurrent writers of `source`.
        if unsafe { bindings::copy_mc_highpage(page.as_ptr(), source.as_ptr()) } != 0 {
            return Err(EFAULT);
        }

        // INVARIANT: The copy initialized the page, and we give out shared references only.
        Ok(Self(page))
    }

    /// Runs `f` with the content.
    pub fn with_words<R>(&self, f: impl FnOnce(&[u64; PAGE_WORDS]) -> R) -> R {
        with_mapped(&self.0, |ptr| {
            // SAFETY: The page is mapped at `ptr`, aligned, and by the type invariants it is
            // initialized and does not change.
            f(unsafe { &*ptr.cast() })
        })
    }

    /// Returns a raw pointer to the page, which must not be written to.
    #[inline]
    pub fn as_ptr(&self) -> *mut bindings::page {
        self.0.as_ptr()
    }
}

/// Runs `f` with the address at which the page is mapped meanwhile.
fn with_mapped<R>(page: &Page, f: impl FnOnce(*mut c_void) -> R) -> R {
    // SAFETY: The page is valid.
    let ptr = unsafe { bindings::kmap_local_page(page.as_ptr()) };
    let result = f(ptr);
    // SAFETY: `ptr` comes from `kmap_local_page`, and closures nest, so mappings are released in
    // reverse order.
    unsafe { bindings::kunmap_local(ptr) };
    result
}
