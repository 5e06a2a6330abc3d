// SPDX-License-Identifier: GPL-2.0

use std::ffi::c_void;

use anyhow::Result;
use anyhow::ensure;
use libloading::os::unix::Library;
use refmap::count_pattern;
use serde::Serialize;

use crate::preload::Preload;

/// Big enough for a mapping of their own: never used before.
const LARGE: (usize, usize) = (8, 1 << 20);
/// Small enough for the common heap: used before, or not.
const SMALL: (usize, usize) = (256, 16 << 10);

/// What memory fresh from `malloc` held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Fresh {
    /// Bytes of large blocks that were read.
    pub checked_bytes: usize,
    /// Bytes of those that were the pattern.
    pub pattern_bytes: usize,
    /// Bytes of small blocks that were read: partly used memory, so for information.
    pub small_checked_bytes: usize,
    /// Bytes of those that were the pattern.
    pub small_pattern_bytes: usize,
    /// Every byte of the large blocks is what the way promises.
    pub fresh_memory_holds: bool,
}

type Malloc = unsafe extern "C" fn(usize) -> *mut c_void;
type Free = unsafe extern "C" fn(*mut c_void);

/// Allocates blocks and counts the pattern in them.
pub fn check(preload: &Preload) -> Result<Fresh> {
    let program = Library::this();
    // The functions are looked up, not called by name: of malloc() by name the compiler knows
    // that its memory holds nothing, and may leave the reading out.
    // SAFETY: these two have the types that the C library documents.
    let (malloc, free) = unsafe { (*program.get::<Malloc>(b"malloc\0")?, *program.get::<Free>(b"free\0")?) };

    // SAFETY: malloc() and free() are the C library's or a stand-in with the same contract.
    let (large, small) = unsafe {
        let large = count(malloc, free, LARGE, preload)?;
        (large, count(malloc, free, SMALL, preload)?)
    };
    Ok(Fresh {
        checked_bytes: LARGE.0 * LARGE.1,
        pattern_bytes: large.pattern,
        small_checked_bytes: SMALL.0 * SMALL.1,
        small_pattern_bytes: small.pattern,
        fresh_memory_holds: preload.fresh_byte.is_none() || large.expected == LARGE.0 * LARGE.1,
    })
}

#[derive(Default)]
struct Counts {
    /// Bytes that are the pattern.
    pattern: usize,
    /// Bytes that are what fresh memory holds.
    expected: usize,
}

/// # Safety
///
/// `malloc` and `free` keep the contract of the C library's.
unsafe fn count(malloc: Malloc, free: Free, (blocks, size): (usize, usize), preload: &Preload) -> Result<Counts> {
    let mut counts = Counts::default();
    let mut held = Vec::with_capacity(blocks);
    for _ in 0..blocks {
        // SAFETY: the caller's promise.
        let block = unsafe { malloc(size) };
        held.push(block);
        ensure!(!block.is_null(), "no memory for the check: raise the memory limit");
        // SAFETY: the block has `size` bytes and nobody writes them.
        let bytes = unsafe { std::slice::from_raw_parts(block.cast::<u8>(), size) };
        counts.pattern += count_pattern(bytes, preload.pattern);
        counts.expected += count_pattern(bytes, preload.fresh_byte.unwrap_or(preload.pattern));
    }
    for block in held {
        // SAFETY: malloc() returned the block, and it is used no more.
        unsafe { free(block) };
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    unsafe extern "C" fn one_wrong_byte(size: usize) -> *mut c_void {
        let mut bytes = vec![0xaa_u8; size];
        bytes[size / 2] = 0;
        Box::leak(bytes.into_boxed_slice()).as_mut_ptr().cast()
    }

    unsafe extern "C" fn leave(_: *mut c_void) {}

    #[test]
    fn one_wrong_byte_in_a_block_is_seen() {
        let preload = Preload { way: "memset".into(), fresh_byte: Some(0xaa), pattern: 0xaa, granularity: 0 };
        // SAFETY: the stand-ins return blocks of the size asked for, which stay.
        let counts = unsafe { count(one_wrong_byte, leave, (3, 1000), &preload) }.unwrap();
        assert_eq!((counts.pattern, counts.expected), (3 * 999, 3 * 999));
    }

    #[test]
    fn without_refheap_nothing_is_promised() {
        let preload = Preload::find().unwrap();
        assert_eq!(preload.way, "system");
        let fresh = check(&preload).unwrap();
        assert!(fresh.fresh_memory_holds);
        assert_eq!(fresh.checked_bytes, 8 << 20);
        assert!(fresh.pattern_bytes < fresh.checked_bytes);
    }
}
