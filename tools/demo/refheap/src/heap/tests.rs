// SPDX-License-Identifier: GPL-2.0

use core::slice;
use std::thread;
use std::vec::Vec;

use refmap::Fill;

use super::*;

const PATTERN: u8 = 0xaa;

fn heap(fill: Fill, check: bool) -> (Heap, &'static Stats) {
    let stats: &'static Stats = Box::leak(Box::default());
    let config = Config { fill, pattern: PATTERN, granularity: 1 << 20, check };
    (Heap::new(&config, stats).unwrap(), stats)
}

fn patterned() -> Heap {
    heap(Fill::Memset, false).0
}

/// # Safety
///
/// `block` has `len` bytes in use that nothing else reads or writes meanwhile.
unsafe fn bytes<'a>(block: NonNull<u8>, len: usize) -> &'a mut [u8] {
    // SAFETY: the caller's promise.
    unsafe { slice::from_raw_parts_mut(block.as_ptr(), len) }
}

#[test]
fn fresh_blocks_hold_the_pattern() {
    let heap = patterned();
    for size in [64, 4096, 100_000, DIRECT - 1, DIRECT, 3 << 20] {
        let block = heap.allocate(size, 1).unwrap();
        // SAFETY: the block was just allocated.
        assert!(unsafe { bytes(block, size) }.iter().all(|&b| b == PATTERN), "{size}");
    }
}

#[test]
fn plain_blocks_are_zero() {
    let (heap, _) = heap(Fill::None, false);
    for size in [64, DIRECT, 3 << 20] {
        let block = heap.allocate(size, 1).unwrap();
        // SAFETY: the block was just allocated.
        assert!(unsafe { bytes(block, size) }.iter().all(|&b| b == 0), "{size}");
    }
}

#[test]
fn zeroed_blocks_are_zero_fresh_or_used() {
    let heap = patterned();
    for size in [1, 100, 5000, DIRECT - 1, DIRECT, 1 << 20] {
        for _ in 0..3 {
            let block = heap.allocate_zeroed(size).unwrap();
            // SAFETY: the block was just allocated; it is released once.
            unsafe {
                assert!(bytes(block, size).iter().all(|&b| b == 0), "{size}");
                bytes(block, size).fill(1);
                heap.release(block);
            }
        }
    }
}

#[test]
fn blocks_are_aligned_apart_and_of_their_size() {
    let heap = patterned();
    let mut blocks = Vec::new();
    for power in 0..22 {
        for size in [0, 1, 100, 5000, DIRECT, DIRECT + 4096] {
            let align = 1 << power;
            let block = heap.allocate(size, align).unwrap();
            assert_eq!(block.addr().get() % align.max(ALIGNMENT), 0, "{size} at {align}");
            // SAFETY: the block was just allocated.
            unsafe {
                assert_eq!(heap.usable_size(block), size);
                bytes(block, size).fill(blocks.len() as u8);
            }
            blocks.push((block, size));
        }
    }
    for (i, (block, size)) in blocks.into_iter().enumerate() {
        // SAFETY: the block is in use until the release, its only one.
        unsafe {
            assert!(bytes(block, size).iter().all(|&b| b == i as u8), "{i}");
            heap.release(block);
        }
    }
}

#[test]
fn a_block_keeps_its_bytes_through_every_change_of_size() {
    let heap = patterned();
    let sizes = [1, 100, DIRECT - 1, DIRECT, 4 << 20, DIRECT + 1, DIRECT - 1, 50, 1 << 20, 10];
    for align in [1, 64, 1 << 16] {
        let mut block = heap.allocate(sizes[0], align).unwrap();
        for pair in sizes.windows(2) {
            // SAFETY: `block` is in use, and stands for what reallocation returned.
            unsafe {
                bytes(block, pair[0]).iter_mut().enumerate().for_each(|(i, b)| *b = i as u8);
                block = heap.reallocate(block, pair[1]).unwrap();
                let kept = pair[0].min(pair[1]);
                assert!(bytes(block, kept).iter().enumerate().all(|(i, &b)| b == i as u8), "{pair:?}");
                assert_eq!(heap.usable_size(block), pair[1]);
            }
        }
        // SAFETY: the block is in use; this is its only release.
        unsafe { heap.release(block) };
    }
}

#[test]
fn what_a_mapped_block_gains_holds_the_pattern() {
    let heap = patterned();
    let page = refmap::page_size();
    for block in [heap.allocate(DIRECT, 1), heap.allocate_zeroed(DIRECT)] {
        // SAFETY: the block was just allocated, and grows before it is read again. The bytes up
        // to the end of its last page were its own mapping's.
        unsafe {
            let block = heap.reallocate(block.unwrap(), 4 << 20).unwrap();
            assert!(bytes(block, 4 << 20)[DIRECT + page..].iter().all(|&b| b == PATTERN));
            heap.release(block);
        }
    }
}

#[test]
fn impossible_sizes_fail_and_leave_the_block() {
    let heap = patterned();
    let block = heap.allocate(100, 1).unwrap();
    for size in [usize::MAX, usize::MAX - 4096, isize::MAX as usize] {
        assert!(heap.allocate(size, 1).is_none());
        assert!(heap.allocate_zeroed(size).is_none());
        // SAFETY: the block is in use, and a failure leaves it so.
        assert!(unsafe { heap.reallocate(block, size) }.is_none());
    }
    // SAFETY: the block is in use.
    assert!(unsafe { bytes(block, 100) }.iter().all(|&b| b == PATTERN));
}

#[test]
fn all_fresh_memory_is_counted_and_checked() {
    for (fill, share) in [(Fill::Memset, 1), (Fill::None, 0)] {
        let (heap, stats) = heap(fill, true);
        heap.allocate(10, 1).unwrap();
        let direct = heap.allocate(1 << 20, 1).unwrap();
        // SAFETY: the block is in use and not touched again.
        unsafe { heap.reallocate(direct, 2 << 20) }.unwrap();
        let counts = stats.snapshot();
        assert!(counts.fresh >= 3 << 20, "{counts:?}");
        assert_eq!(counts.checked, counts.fresh);
        assert_eq!(counts.pattern, share * counts.checked);
    }
}

#[test]
fn threads_do_not_get_each_others_blocks() {
    let heap = patterned();
    thread::scope(|scope| {
        for id in 1..=4u8 {
            let heap = &heap;
            scope.spawn(move || churn(heap, id));
        }
    });
}

fn churn(heap: &Heap, id: u8) {
    let mut blocks = Vec::new();
    for round in 0..2000usize {
        let size = 1 + round * 7919 % 3000;
        let block = heap.allocate(size, 1).unwrap();
        // SAFETY: the block was just allocated.
        unsafe { bytes(block, size) }.fill(id);
        blocks.push((block, size));
        if round % 3 == 0 {
            let (block, size) = blocks.swap_remove(round * 31 % blocks.len());
            // SAFETY: the block is in use until the release, its only one.
            unsafe {
                assert!(bytes(block, size).iter().all(|&b| b == id));
                heap.release(block);
            }
        }
    }
}
