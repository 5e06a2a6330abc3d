// SPDX-License-Identifier: GPL-2.0

//! Blocks of the allocator that this program runs on.

use std::ptr::NonNull;

/// All bits of an address but those of its tag.
const UNTAGGED: usize = (1 << 56) - 1;
const PAGE: usize = 4096;

/// A block.
///
/// # Invariants
///
/// `memory` has `size` bytes, which this value alone owns.
pub struct Block {
    memory: NonNull<u8>,
    size: usize,
}

impl Block {
    /// Allocates one.
    pub fn new(size: usize) -> Self {
        // SAFETY: malloc() may be called at any time.
        let memory = unsafe { libc::malloc(size) };
        // INVARIANT: the allocator gave it.
        Self { memory: NonNull::new(memory.cast()).expect("malloc() has memory"), size }
    }

    /// A byte of it.
    pub fn at(&self, offset: usize) -> *mut u8 {
        assert!(offset < self.size);
        // SAFETY: by the invariant and what was just seen.
        unsafe { self.memory.add(offset) }.as_ptr()
    }

    /// Stores a byte at each offset.
    #[inline]
    pub fn touch(&self, offsets: &[usize]) {
        for &offset in offsets {
            // SAFETY: at() gives a byte of this block.
            unsafe { self.at(offset).write_volatile(1) };
        }
    }

    /// Where it lies.
    pub fn place(&self) -> usize {
        place(self.memory.as_ptr())
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: by the invariant, and the value is gone afterwards.
        unsafe { libc::free(self.memory.as_ptr().cast()) };
    }
}

/// Where something lies, whatever tag its pointer has.
pub fn place(pointer: *const u8) -> usize {
    pointer.addr() & UNTAGGED
}

/// How much of a block is used.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Use {
    /// One page of 1000
    Sparse,
    /// Each page
    Dense,
}

impl Use {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sparse => "sparse",
            Self::Dense => "dense",
        }
    }

    /// A byte for each page to touch. The few of sparse use lie apart, and apart from the header before the block.
    pub fn offsets(self, size: usize) -> Vec<usize> {
        match self {
            Self::Dense => (0..size).step_by(PAGE).collect(),
            Self::Sparse => {
                let count = size.div_ceil(PAGE).div_ceil(1000);
                (0..count).map(|index| (2 * index + 1) * size / (2 * count)).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dense_use_touches_each_page() {
        let offsets = Use::Dense.offsets(64 * PAGE);
        assert_eq!((offsets.len(), offsets[63]), (64, 63 * PAGE));
    }

    #[test]
    fn sparse_use_touches_pages_that_lie_apart() {
        assert_eq!(Use::Sparse.offsets(64 * PAGE), [32 * PAGE]);
        assert_eq!(Use::Sparse.offsets(1024 * PAGE), [256 * PAGE, 768 * PAGE]);
    }

    #[test]
    fn a_place_has_no_tag() {
        let byte = 0;
        let pointer: *const u8 = &byte;
        assert_eq!(place(pointer.map_addr(|address| address | (5 << 56))), pointer.addr());
    }

    #[test]
    fn what_is_touched_is_stored_to() {
        let block = Block::new(3 * PAGE);
        block.touch(&[PAGE]);
        // SAFETY: the byte was just written, and the block is alive.
        assert_eq!(unsafe { block.at(PAGE).read_volatile() }, 1);
        assert_eq!(block.place(), place(block.at(0)));
    }
}
