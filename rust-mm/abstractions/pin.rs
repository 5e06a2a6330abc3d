// SPDX-License-Identifier: GPL-2.0

//! Pinned pages of user memory.
//!
//! C header: [`include/linux/mm.h`](srctree/include/linux/mm.h)
//!
//! Reference: <https://docs.kernel.org/core-api/pin_user_pages.html>

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

/// A page of user memory that is pinned for reading.
///
/// The page stays where it is and cannot be freed. Its content is not frozen: whoever maps it
/// writable may still change it, so it can only be copied and never be borrowed as a slice.
///
/// # Invariants
///
/// `page` is valid and holds a pin taken by `pin_user_pages_fast`.
pub struct PinnedUserPage {
    page: NonNull<bindings::page>,
}

// SAFETY: A pin belongs to no thread, any thread may drop it.
unsafe impl Send for PinnedUserPage {}
// SAFETY: No method changes anything.
unsafe impl Sync for PinnedUserPage {}

impl PinnedUserPage {
    /// Pins the page at `addr` in the address space of the current task.
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
    /// use kernel::mm::pin::PinnedUserPage;
    ///
    /// // There is no user memory at this address, nor anywhere in a kernel thread.
    /// assert_eq!(PinnedUserPage::pin(usize::MAX).err(), Some(EFAULT));
    /// ```
    pub fn pin(addr: usize) -> Result<Self> {
        // Kernel threads have no address space, and GUP takes it for granted.
        if current!().mm().is_none() {
            return Err(EFAULT);
        }

        let mut page = core::ptr::null_mut();

        // SAFETY: We just checked that there is an address space, and the array has room for the
        // one page that we ask for. Any address is fine, it is checked.
        let pinned = unsafe { bindings::pin_user_pages_fast(addr, 1, 0, &mut page) };

        if pinned < 0 {
            return Err(match Error::from_errno(pinned) {
                error if error == ENOMEM || error == EINTR => error,
                _ => EFAULT,
            });
        }

        // INVARIANT: The call above pinned the page.
        let page = NonNull::new(page).ok_or(EFAULT)?;
        Ok(Self { page })
    }

    /// Returns a raw pointer to the page.
    #[inline]
    pub fn as_ptr(&self) -> *mut bindings::page {
        self.page.as_ptr()
    }
}

impl Drop for PinnedUserPage {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariants, we own a pin.
        unsafe { bindings::unpin_user_page(self.as_ptr()) };
    }
}
