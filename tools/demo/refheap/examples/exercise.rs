// SPDX-License-Identifier: GPL-2.0

//! Calls every function of the allocator that this program runs on, from threads and across
//! `fork()`, and ends with status 0 when all of them kept their contract. To be run with
//! librefheap.so preloaded.

use std::ffi::c_void;
use std::ptr;
use std::slice;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;

const LARGE: usize = 1 << 20;

fn main() {
    // SAFETY: the C library's functions, or their stand-ins, called as their contract says.
    unsafe {
        functions();
    }
    fork_while_others_allocate();
}

/// # Safety
///
/// The C library's contract for each function holds.
unsafe fn functions() {
    // SAFETY: each block is used while it is allocated, within its size.
    unsafe {
        for size in [0, 1, 1000, LARGE] {
            let block = libc::malloc(size);
            assert!(libc::malloc_usable_size(block) >= size);
            let block = libc::realloc(block, 2 * size + 1);
            assert!(!block.is_null());
            libc::free(block);

            assert_zeros(libc::calloc(1, size), size);
            assert_zeros(libc::calloc(size, 1), size);
            for align in [16, 64, 4096, 1 << 16] {
                assert_aligned(libc::memalign(align, size), align);
                assert_aligned(libc::aligned_alloc(align, size), align);
                let mut block = ptr::null_mut();
                assert_eq!(libc::posix_memalign(&mut block, align, size), 0);
                assert_aligned(block, align);
            }
        }
        assert!(libc::calloc(usize::MAX / 2, 3).is_null());
        assert_eq!(libc::posix_memalign(&mut ptr::null_mut(), 24, 1), libc::EINVAL);
        libc::free(ptr::null_mut());
        assert_eq!(libc::malloc_usable_size(ptr::null_mut()), 0);
    }
}

/// # Safety
///
/// `block` is a block of `size` bytes; it is freed.
unsafe fn assert_zeros(block: *mut c_void, size: usize) {
    assert!(!block.is_null());
    // SAFETY: the caller's promise.
    unsafe {
        let bytes = slice::from_raw_parts_mut(block.cast::<u8>(), size);
        assert!(bytes.iter().all(|&b| b == 0), "calloc of {size}");
        bytes.fill(0xff);
        libc::free(block);
    }
}

/// # Safety
///
/// `block` is a block; it is freed.
unsafe fn assert_aligned(block: *mut c_void, align: usize) {
    assert!(!block.is_null());
    assert_eq!(block.addr() % align, 0);
    // SAFETY: the caller's promise.
    unsafe { libc::free(block) };
}

/// A child that finds the heap locked by a thread that it does not have would hang.
fn fork_while_others_allocate() {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !done.load(Relaxed) {
                    drop(std::hint::black_box(vec![1u8; 100]));
                }
            });
        }
        let children_end = (0..100).all(|_| child_allocates());
        // Before any panic: the scope waits for the threads.
        done.store(true, Relaxed);
        assert!(children_end, "a child of fork() could not allocate");
    });
}

fn child_allocates() -> bool {
    // SAFETY: the child only allocates, which the allocator allows after fork(), and exits.
    unsafe {
        let child = libc::fork();
        if child == 0 {
            libc::alarm(20);
            let block = libc::malloc(5000);
            libc::free(block);
            libc::_exit(7);
        }
        let mut status = 0;
        libc::waitpid(child, &mut status, 0) == child && libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 7
    }
}
