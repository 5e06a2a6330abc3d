// SPDX-License-Identifier: GPL-2.0

//! Pages of user memory.
//!
//! C header: [`include/linux/mm.h`](srctree/include/linux/mm.h)
//!
//! When to take a page like this, and when to pin it:
//! <https://docs.kernel.org/core-api/pin_user_pages.html>

use crate::{
    bindings,
    current,
    error::{
        code::*,
        Error,
        Result, //
    }, //
};
use core::ptr::NonNull;

/// A page of user memory that is held for reading.
///
/// The page cannot be freed. Its content is not immutable: whoever maps it writable may still
/// change it, so it can only be copied and never be borrowed as a slice.
///
/// It is a reference and no pin. What reads a page for a moment need not keep it from being
/// migrated afterwards, and a pin has a price: shared pages are copied for it, and the address
/// space is marked for good, so that each later fork looks for pins.
///
/// # Invariants
///
/// `page` is valid and we own a reference on it.
pub struct UserPage {
    page: NonNull<bindings::page>,
}

// SAFETY: A reference belongs to no thread, any thread may drop it.
unsafe impl Send for UserPage {}
// SAFETY: No method changes anything.
unsafe impl Sync for UserPage {}

impl UserPage {
    /// Gets the page at `addr`, in bytes, in the address space of the current task.
    ///
    /// Tag bits in `addr` are ignored as the architecture says, and so is the offset into the
    /// page. Faults the page in if necessary; must be called from process context without any
    /// mmap lock, may sleep.
    ///
    /// # Errors
    ///
    /// - [`EFAULT`] if nothing readable is mapped there, or memory that has no ordinary page; and
    ///   in a kernel thread, which has no address space.
    /// - [`ENOMEM`] or [`EINTR`] if the page could not be faulted in.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::mm::gup::UserPage;
    ///
    /// // There is no user memory at this address, nor anywhere in a kernel thread.
    /// assert_eq!(UserPage::get(usize::MAX).err(), Some(EFAULT));
    /// ```
    pub fn get(addr: usize) -> Result<Self> {
        // Kernel threads have no address space, and GUP takes it for granted.
        if current!().mm().is_none() {
            return Err(EFAULT);
        }

        let mut page = core::ptr::null_mut();

        // SAFETY: We just checked that there is an address space, and the array has room for the
        // one page that we ask for. Any address is fine, it is checked.
        let got = unsafe { bindings::get_user_pages_fast(addr, 1, 0, &mut page) };

        if got < 0 {
            return Err(match Error::from_errno(got) {
                error if error == ENOMEM || error == EINTR => error,
                _ => EFAULT,
            });
        }

        // INVARIANT: The call above took a reference, which is ours now.
        let page = NonNull::new(page).ok_or(EFAULT)?;
        Ok(Self { page })
    }

    /// Returns a raw pointer to the page.
    #[inline]
    pub fn as_raw(&self) -> NonNull<bindings::page> {
        self.page
    }
}

impl Drop for UserPage {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariants, we own a reference.
        unsafe { bindings::put_page(self.page.as_ptr()) };
    }
}
