// SPDX-License-Identifier: GPL-2.0

//! Reference pages: private memory that reads as a given page until it is written.
//!
//! This is the part that knows nothing about page tables: what a request asks for ([`lookup`]),
//! the page that is captured for it ([`capture`]), its [`content`] and its [`tags`], the object
//! that VMAs hold references on ([`object`]), the sharing of equal contents ([`set`]), and who
//! pays for it all ([`accounting`]). Below are the functions that C calls.
//!
//! C header: [`include/linux/refpage.h`](srctree/include/linux/refpage.h)

use core::ptr::NonNull;

use kernel::{
    bindings,
    ffi::{
        c_int,
        c_ulong,
        c_void, //
    },
    mm::{
        folio::{
            self,
            NewFolio, //
        },
        immutable::PAGE_WORDS,
        virt::VmaRef,
        Mm,
        MmWithUser, //
    },
    prelude::*,
    sync::aref::ARef,
};

mod accounting;
mod capture;
mod content;
mod lookup;
mod object;
mod set;
mod tags;
#[cfg(CONFIG_REFPAGE_KUNIT_TEST)]
mod tests;

use capture::Captured;
use object::RefPage;
use set::RefPageSet;

/// Finds the page that a call of mmap() names.
///
/// * `flags`, `fd`, `pgoff`: The arguments of `mmap_pgoff()`, whose mapping type is
///   `MAP_REFPAGE`; `pgoff` is the address of the reference page in units of pages.
///
/// Any context.
///
/// Returns the page-aligned address in bytes, which may have tag bits and may be anywhere; or
/// `-EINVAL`.
///
/// # Safety
///
/// There are no requirements. bindgen declares all functions of C as unsafe.
#[export]
pub unsafe extern "C" fn refpage_address(flags: c_ulong, fd: c_ulong, pgoff: c_ulong) -> c_ulong {
    // SAFETY: There are no requirements.
    let compat = unsafe { bindings::in_compat_syscall() };

    // CAST: C takes the error from the last addresses that there are.
    lookup::address(flags, fd, pgoff, compat)
        .unwrap_or_else(|error| error.to_errno() as isize as c_ulong)
}

/// Captures a page.
///
/// * `mm`: The address space of the current task.
/// * `addr`: The address of the page in bytes, which may have tag bits.
///
/// Process context without the mmap lock: may sleep and fault.
///
/// Returns a reference page of `mm` with a reference that the caller owns, or an error pointer:
/// `-EFAULT`, `-ENOMEM` or `-EINTR`.
///
/// # Safety
///
/// `mm` must be the address space of the current task.
#[export]
pub unsafe extern "C" fn refpage_capture(
    mm: *mut bindings::mm_struct,
    addr: c_ulong,
) -> *mut bindings::refpage {
    // SAFETY: The current task is a user of its address space.
    let mm = unsafe { MmWithUser::from_raw(mm) };

    into_raw(RefPageSet::of(mm).and_then(|set| set.share(Captured::new(addr)?)))
}

/// Finds or makes the reference page of a child with the content of its parent's.
///
/// * `mm`: The address space of the child, which nobody else uses yet.
/// * `refpage`: A reference page of the parent.
///
/// Process context: may sleep. The mmap locks of both may be held.
///
/// Returns a reference page of `mm`, which shares the captured page with `refpage`, with a
/// reference that the caller owns; or an error pointer, `-ENOMEM`.
///
/// # Safety
///
/// `mm` must be valid and have a user, and `refpage` must be referenced.
#[export]
pub unsafe extern "C" fn refpage_fork(
    mm: *mut bindings::mm_struct,
    refpage: *mut bindings::refpage,
) -> *mut bindings::refpage {
    // SAFETY: The caller promises that it is valid and has a user.
    let mm = unsafe { MmWithUser::from_raw(mm) };
    // SAFETY: The caller promises that it is referenced, and C has no others than ours.
    let parent = unsafe { RefPage::from_raw(refpage) };

    into_raw(RefPageSet::of(mm).and_then(|set| set.inherit(parent.captured().clone())))
}

/// Frees a reference page.
///
/// * `refpage`: A reference page whose last reference was dropped.
///
/// Process context. Takes no lock but the innermost one of the reference pages.
///
/// # Safety
///
/// `refpage` must be valid, and it must be the caller who made its count zero.
#[export]
pub unsafe extern "C" fn refpage_free(refpage: *mut bindings::refpage) {
    // SAFETY: The caller promises that it is valid, so it is not null, and that the last reference
    // was the caller's. C has no others than ours.
    unsafe { RefPage::free(NonNull::new_unchecked(refpage.cast())) };
}

/// Fills a new folio with the content, for `refpage_fill()`, which does a part of it itself.
///
/// * `refpage`: The reference page.
/// * `folio`: A folio of any order, allocated and charged but not yet mapped.
/// * `addr`: An address, in bytes, in the naturally aligned range where `folio` will be mapped.
///   The page there will be in the cache.
/// * `vma`: The VMA where it will be mapped.
///
/// Process context with the mmap lock or the VMA lock held and no spinlock.
///
/// Returns 0, or `-EHWPOISON` if the hardware cannot read the captured page.
///
/// # Safety
///
/// - `refpage` must be referenced.
/// - `folio` must be valid, and nobody else may access its memory during the call.
/// - `vma` must be valid and locked as said above.
#[export]
pub unsafe extern "C" fn refpage_fill_folio(
    refpage: *mut bindings::refpage,
    folio: *mut bindings::folio,
    addr: c_ulong,
    vma: *mut bindings::vm_area_struct,
) -> c_int {
    // SAFETY: The caller promises that it is valid, so it is not null, and that nobody else
    // accesses its memory.
    let folio = unsafe { NewFolio::from_raw(NonNull::new_unchecked(folio)) };
    // SAFETY: The caller promises that it is referenced, and C has no others than ours.
    let refpage = unsafe { RefPage::from_raw(refpage) };
    // SAFETY: The caller promises that it is valid and locked.
    let vma = unsafe { VmaRef::from_raw(vma) };

    accounting::count_cow();
    match refpage.captured().fill(folio, addr, vma) {
        Ok(()) => 0,
        Err(error) => error.to_errno(),
    }
}

/// Fills a new page that repeats two words, for `refpage_fill()`.
///
/// * `start`: The address of its memory.
/// * `even`, `odd`: The words.
///
/// Any context.
///
/// # Safety
///
/// `start` must be valid for writes of a page.
#[export]
pub unsafe extern "C" fn refpage_fill_page(start: *mut c_void, even: u64, odd: u64) {
    // SAFETY: The caller promises it.
    unsafe { folio::fill_words(start.cast(), PAGE_WORDS, [even, odd]) };
}

/// Releases what an address space has for its reference pages.
///
/// * `mm`: An address space without users, whose VMAs have been freed.
///
/// Process context.
///
/// # Safety
///
/// `mm` must be valid and have no users.
#[export]
pub unsafe extern "C" fn refpage_exit(mm: *mut bindings::mm_struct) {
    // SAFETY: The caller promises that it is valid, and that nobody uses it any more.
    unsafe { RefPageSet::exit(Mm::from_raw(mm)) };
}

/// Gives C a reference, or the error as a pointer.
fn into_raw(result: Result<ARef<RefPage>>) -> *mut bindings::refpage {
    match result {
        Ok(refpage) => RefPage::into_raw(refpage),
        Err(error) => error.to_ptr(),
    }
}
