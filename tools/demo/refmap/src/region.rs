// SPDX-License-Identifier: GPL-2.0

use core::ptr::NonNull;
use core::slice;

use crate::Errno;
use crate::Mapper;
use crate::unmap;

/// A mapping of fresh memory that goes when the value goes.
///
/// # Invariants
///
/// `memory` is a mapping of `len` readable and writable bytes that this value alone owns.
#[derive(Debug)]
pub struct Region {
    memory: NonNull<u8>,
    len: usize,
}

impl Region {
    /// Maps `len` bytes.
    pub fn new(mapper: &Mapper, len: usize) -> Result<Self, Errno> {
        // INVARIANT: what map() returns belongs to its caller.
        Ok(Self { memory: mapper.map(len)?, len })
    }

    /// Returns the memory.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: by the invariant; the borrow of `self` keeps writers away.
        unsafe { slice::from_raw_parts(self.memory.as_ptr(), self.len) }
    }

    /// Stores one zero byte into every page of the first `len` bytes.
    pub fn touch(&mut self, len: usize, page: usize) {
        for offset in (0..len.min(self.len)).step_by(page) {
            // SAFETY: by the invariant, as `offset` is below `self.len`. The store is volatile
            // because nothing reads the byte, and it must happen all the same.
            unsafe { self.memory.add(offset).write_volatile(0) };
        }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: by the invariant, and the value is gone afterwards.
        unsafe { unmap(self.memory, self.len) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Fill;
    use crate::page_size;

    #[test]
    fn touch_changes_one_byte_a_page_and_no_more() {
        let page = page_size();
        let mapper = Mapper::new(Fill::Memset, 0xaa).unwrap();
        let mut region = Region::new(&mapper, 4 * page).unwrap();
        region.touch(2 * page + 1, page);
        for (i, &byte) in region.bytes().iter().enumerate() {
            let stored = i % page == 0 && i <= 2 * page;
            assert_eq!(byte, if stored { 0 } else { 0xaa }, "byte {i}");
        }
    }

    #[test]
    fn touch_stops_at_the_end() {
        let page = page_size();
        let mapper = Mapper::new(Fill::None, 0).unwrap();
        let mut region = Region::new(&mapper, page).unwrap();
        region.touch(usize::MAX, page);
        assert_eq!(region.bytes().len(), page);
    }
}
