// SPDX-License-Identifier: GPL-2.0

use core::ptr;
use core::ptr::NonNull;
use core::slice;

use dlmalloc::Allocator;
use refmap::Errno;
use refmap::Fill;
use refmap::Mapper;
use refmap::SetupError;
use refmap::count_pattern;
use refmap::unmap;

use crate::config::Config;
use crate::stats::Stats;

/// Where the heap gets its memory: the kernel, by the configured fill, and counted.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    mapper: Mapper,
    pattern: u8,
    check: bool,
    stats: &'static Stats,
}

impl Source {
    pub fn new(config: &Config, stats: &'static Stats) -> Result<Self, SetupError> {
        let mapper = Mapper::new(config.fill, config.pattern)?;
        Ok(Self { mapper, pattern: config.pattern, check: config.check, stats })
    }

    /// Returns `size` rounded up to whole pages.
    pub fn whole_pages(&self, size: usize) -> Option<usize> {
        size.checked_next_multiple_of(self.mapper.page_size())
    }

    /// Maps `len` bytes of memory with the fill.
    pub fn fresh(&self, len: usize) -> Result<NonNull<u8>, Errno> {
        let memory = self.mapper.map(len)?;
        // SAFETY: `len` bytes were just mapped.
        unsafe { self.account(memory, len) };
        Ok(memory)
    }

    /// Maps `len` bytes of zeros.
    pub fn zeroed(&self, len: usize) -> Result<NonNull<u8>, Errno> {
        self.mapper.map_zeroed(len)
    }

    /// Changes the length of a mapping; what is added holds the fill. `born_zeroed` says that the
    /// mapping came from [`Source::zeroed`].
    ///
    /// # Safety
    ///
    /// As for [`Mapper::resize`], with lengths of whole pages.
    pub unsafe fn resize(
        &self,
        memory: NonNull<u8>,
        old: usize,
        new: usize,
        born_zeroed: bool,
    ) -> Result<NonNull<u8>, Errno> {
        // SAFETY: the caller's promise.
        let memory = unsafe { self.mapper.resize(memory, old, new) }?;
        if new > old {
            // SAFETY: the mapping has `new` bytes, and what lies beyond `old` is not in use yet.
            unsafe { self.fill_added(memory.add(old), new - old, born_zeroed) };
        }
        Ok(memory)
    }

    /// # Safety
    ///
    /// `added` is `len` bytes that were just added to a mapping, whole pages.
    unsafe fn fill_added(&self, added: NonNull<u8>, len: usize, born_zeroed: bool) {
        let kernel_fills = match self.mapper.fill() {
            Fill::None => true,
            Fill::Memset => false,
            Fill::Refpage => !born_zeroed,
        };
        // SAFETY: the caller's promise: nobody else uses the bytes, and they are writable.
        unsafe {
            if !kernel_fills {
                added.write_bytes(self.pattern, len);
            }
            self.account(added, len);
        }
    }

    /// # Safety
    ///
    /// `memory` is `len` bytes of a mapping that nobody writes meanwhile.
    unsafe fn account(&self, memory: NonNull<u8>, len: usize) {
        self.stats.add_fresh(len);
        if self.check {
            // SAFETY: the caller's promise.
            let bytes = unsafe { slice::from_raw_parts(memory.as_ptr(), len) };
            self.stats.add_checked(len, count_pattern(bytes, self.pattern));
        }
    }
}

// SAFETY: alloc() returns memory that nothing else uses, and the other functions report success
// only when the kernel did as asked.
unsafe impl Allocator for Source {
    fn alloc(&self, size: usize) -> (*mut u8, usize, u32) {
        let mapped = self.whole_pages(size).and_then(|len| Some((self.fresh(len).ok()?, len)));
        match mapped {
            Some((memory, len)) => (memory.as_ptr(), len, 0),
            None => (ptr::null_mut(), 0, 0),
        }
    }

    fn remap(&self, _: *mut u8, _: usize, _: usize, _: bool) -> *mut u8 {
        ptr::null_mut()
    }

    fn free_part(&self, memory: *mut u8, old: usize, new: usize) -> bool {
        self.free(memory.wrapping_add(new), old - new)
    }

    fn free(&self, memory: *mut u8, size: usize) -> bool {
        // SAFETY: dlmalloc gives back segments, or ends of them, that it got from alloc() and
        // uses no more; it cuts at page boundaries.
        NonNull::new(memory).is_some_and(|memory| unsafe { unmap(memory, size) })
    }

    fn can_release_part(&self, _flags: u32) -> bool {
        true
    }

    fn allocates_zeros(&self) -> bool {
        self.mapper.fresh_byte() == 0
    }

    fn page_size(&self) -> usize {
        self.mapper.page_size()
    }
}
