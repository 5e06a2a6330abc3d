// SPDX-License-Identifier: GPL-2.0

//! The functions that programs call. They stand in for the C library's, so each has the same
//! contract as there, and no other.

use core::ffi::c_int;
use core::ffi::c_void;
use core::ptr;
use core::ptr::NonNull;

use refmap::Errno;
use refmap::HeapReport;
use refmap::page_size;

use crate::process::heap;
use crate::process::report;

fn or_no_memory(block: Option<NonNull<u8>>) -> *mut c_void {
    match block {
        Some(block) => block.as_ptr().cast(),
        None => {
            Errno(libc::ENOMEM).set();
            ptr::null_mut()
        }
    }
}

fn aligned(align: usize, size: usize) -> *mut c_void {
    if !align.is_power_of_two() {
        Errno(libc::EINVAL).set();
        return ptr::null_mut();
    }
    or_no_memory(heap().allocate(size, align))
}

/// `malloc(3)`
// SAFETY: it has the signature and the contract of the function that it replaces.
#[unsafe(no_mangle)]
pub extern "C" fn malloc(size: usize) -> *mut c_void {
    or_no_memory(heap().allocate(size, 1))
}

/// `calloc(3)`
// SAFETY: as for malloc().
#[unsafe(no_mangle)]
pub extern "C" fn calloc(count: usize, size: usize) -> *mut c_void {
    or_no_memory(count.checked_mul(size).and_then(|size| heap().allocate_zeroed(size)))
}

/// `free(3)`
///
/// # Safety
///
/// `block` is null or a block in use.
// SAFETY: as for malloc().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn free(block: *mut c_void) {
    if let Some(block) = NonNull::new(block.cast()) {
        // SAFETY: the caller's promise.
        unsafe { heap().release(block) };
    }
}

/// `realloc(3)`
///
/// # Safety
///
/// `block` is null or a block in use.
// SAFETY: as for malloc().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realloc(block: *mut c_void, size: usize) -> *mut c_void {
    let Some(old) = NonNull::new(block.cast()) else {
        return malloc(size);
    };
    if size == 0 {
        // SAFETY: the caller's promise.
        unsafe { heap().release(old) };
        return ptr::null_mut();
    }
    // SAFETY: the caller's promise.
    or_no_memory(unsafe { heap().reallocate(old, size) })
}

/// `memalign(3)`
// SAFETY: as for malloc().
#[unsafe(no_mangle)]
pub extern "C" fn memalign(align: usize, size: usize) -> *mut c_void {
    aligned(align, size)
}

/// `aligned_alloc(3)`
// SAFETY: as for malloc().
#[unsafe(no_mangle)]
pub extern "C" fn aligned_alloc(align: usize, size: usize) -> *mut c_void {
    aligned(align, size)
}

/// `posix_memalign(3)`
///
/// # Safety
///
/// `block` can be written.
// SAFETY: as for malloc().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn posix_memalign(block: *mut *mut c_void, align: usize, size: usize) -> c_int {
    if !align.is_power_of_two() || align < size_of::<*mut c_void>() {
        return libc::EINVAL;
    }
    match heap().allocate(size, align) {
        Some(new) => {
            // SAFETY: the caller's promise.
            unsafe { block.write(new.as_ptr().cast()) };
            0
        }
        None => libc::ENOMEM,
    }
}

/// `valloc(3)`
// SAFETY: as for malloc().
#[unsafe(no_mangle)]
pub extern "C" fn valloc(size: usize) -> *mut c_void {
    aligned(page_size(), size)
}

/// `pvalloc(3)`
// SAFETY: as for malloc().
#[unsafe(no_mangle)]
pub extern "C" fn pvalloc(size: usize) -> *mut c_void {
    let page = page_size();
    match size.checked_next_multiple_of(page) {
        Some(size) => aligned(page, size),
        None => or_no_memory(None),
    }
}

/// `malloc_usable_size(3)`
///
/// # Safety
///
/// `block` is null or a block in use.
// SAFETY: as for malloc().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn malloc_usable_size(block: *mut c_void) -> usize {
    match NonNull::new(block.cast()) {
        // SAFETY: the caller's promise.
        Some(block) => unsafe { heap().usable_size(block) },
        None => 0,
    }
}

/// Tells a program that finds this symbol that the library is loaded, and how it is set up.
// SAFETY: nothing else has this name.
#[unsafe(no_mangle)]
pub extern "C" fn refheap_report() -> HeapReport {
    report()
}
