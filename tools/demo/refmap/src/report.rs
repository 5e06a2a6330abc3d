// SPDX-License-Identifier: GPL-2.0

use core::ffi::c_char;

/// What a preloaded allocator that stands on this crate says of itself to the program.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HeapReport {
    /// Name of the way in which fresh memory is filled, a C string that stays.
    pub mode: *const c_char,
    /// The byte that fresh memory holds, unless the mode is none.
    pub pattern: u32,
    /// 1 where all fresh memory is read and counted.
    pub check: u32,
    /// Step in bytes by which the heap of small blocks grows.
    pub granularity: u64,
    /// Bytes of memory with the fill that came from the kernel.
    pub fresh: u64,
    /// Bytes of it that were read.
    pub checked: u64,
    /// Bytes of those that were the pattern.
    pub pattern_seen: u64,
}
