// SPDX-License-Identifier: GPL-2.0

use anyhow::{Result, anyhow};
use refmap::{Errno, MAP_REFPAGE, page_size};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::{self, NonNull};

/// What stands behind a mapping.
#[derive(Clone, Copy, Debug)]
pub enum Backing<'a> {
    /// Zeros.
    Anonymous,
    /// The page at this address: `MAP_REFPAGE`.
    Reference(usize),
    /// A private copy of a file.
    File(BorrowedFd<'a>),
    /// Zeros that stay visible to both sides of a fork.
    Shared,
    /// Nothing that can be touched: address space alone.
    Reserved,
}

/// Mapped memory that goes when the value goes.
///
/// # Invariants
///
/// `memory` is a mapping of `len` bytes, whole pages, that this value alone owns. It is readable and writable unless it
/// was made [`Backing::Reserved`].
#[derive(Debug)]
pub struct Mapping {
    memory: NonNull<u8>,
    len: usize,
}

// SAFETY: by the invariant, nothing else knows the memory; stores need a unique borrow.
unsafe impl Send for Mapping {}
// SAFETY: as for `Send`.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `len` bytes wherever the kernel likes.
    #[inline]
    pub fn new(backing: Backing<'_>, len: usize) -> Result<Self> {
        Self::map(backing, len, None)
    }

    /// Maps `len` bytes at an address where nothing is mapped.
    #[inline]
    pub fn at(backing: Backing<'_>, len: usize, place: usize) -> Result<Self> {
        Self::map(backing, len, Some(place))
    }

    fn map(backing: Backing<'_>, len: usize, place: Option<usize>) -> Result<Self> {
        let (flags, fd, offset) = match backing {
            Backing::Anonymous => (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0),
            Backing::Reference(address) => (libc::MAP_PRIVATE | MAP_REFPAGE, -1, address),
            Backing::File(file) => (libc::MAP_PRIVATE, file.as_raw_fd(), 0),
            Backing::Shared => (libc::MAP_SHARED | libc::MAP_ANONYMOUS, -1, 0),
            Backing::Reserved => (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE, -1, 0),
        };
        let protection =
            if matches!(backing, Backing::Reserved) { libc::PROT_NONE } else { libc::PROT_READ | libc::PROT_WRITE };
        let fixed = place.map_or(0, |_| libc::MAP_FIXED_NOREPLACE);
        let hint = ptr::without_provenance_mut(place.unwrap_or(0));
        // SAFETY: without MAP_FIXED no memory in use is replaced.
        let address = unsafe { libc::mmap(hint, len, protection, flags | fixed, fd, offset as libc::off_t) };
        if address == libc::MAP_FAILED {
            return Err(anyhow!("mmap of {len} bytes failed ({})", Errno::last()));
        }
        // INVARIANT: what was just mapped belongs to the caller.
        NonNull::new(address.cast()).map(|memory| Self { memory, len }).ok_or_else(|| anyhow!("mmap gave page 0"))
    }

    /// Maps one page for each page of `content`, and fills it.
    pub fn filled(content: &[u8]) -> Result<Self> {
        let mut mapping = Self::new(Backing::Anonymous, content.len())?;
        mapping.fill(content);
        Ok(mapping)
    }

    /// The address of the first byte.
    pub fn address(&self) -> usize {
        self.memory.as_ptr().expose_provenance()
    }

    /// The number of bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whole pages.
    pub fn pages(&self) -> usize {
        self.len / page_size()
    }

    /// Stores `byte` to all of it.
    pub fn set(&mut self, byte: u8) {
        // SAFETY: by the invariant, `len` bytes are there.
        unsafe { self.memory.write_bytes(byte, self.len) };
    }

    /// Repeats `content` until the memory is full.
    pub fn fill(&mut self, content: &[u8]) {
        for start in (0..self.len).step_by(content.len()) {
            let count = content.len().min(self.len - start);
            // SAFETY: by the invariant, `start + count` bytes are there, and `content` is other memory.
            unsafe { self.memory.add(start).copy_from_nonoverlapping(NonNull::from(content).cast(), count) };
        }
    }

    /// Loads a byte.
    #[inline(always)]
    pub fn load(&self, offset: usize) -> u8 {
        debug_assert!(offset < self.len);
        // SAFETY: by the invariant, and callers stay inside; volatile because nothing may need the byte.
        unsafe { self.memory.add(offset).read_volatile() }
    }

    /// Stores a byte.
    #[inline(always)]
    pub fn store(&mut self, offset: usize, value: u8) {
        debug_assert!(offset < self.len);
        // SAFETY: by the invariant, and callers stay inside; volatile because nothing may read the byte.
        unsafe { self.memory.add(offset).write_volatile(value) };
    }

    /// Loads the first byte of each of the first `pages` pages.
    pub fn load_pages(&self, pages: usize) {
        for page in 0..pages.min(self.pages()) {
            self.load(page * page_size());
        }
    }

    /// Stores to the first byte of each of the first `pages` pages.
    pub fn store_pages(&mut self, pages: usize) {
        for page in 0..pages.min(self.pages()) {
            self.store(page * page_size(), 0);
        }
    }

    /// One page.
    #[inline(always)]
    pub fn page_mut(&mut self, page: usize) -> &mut [u8] {
        assert!(page < self.pages());
        // SAFETY: by the invariant and the test above, the page is there; the unique borrow keeps others away.
        unsafe { std::slice::from_raw_parts_mut(self.memory.add(page * page_size()).as_ptr(), page_size()) }
    }

    /// Takes the rights away from one page, which splits the area that it lies in.
    pub fn protect_page(&mut self, page: usize) -> Result<()> {
        debug_assert!(page < self.pages());
        // SAFETY: the page is inside the mapping, and nobody borrows it.
        let result = unsafe {
            libc::mprotect(self.memory.add(page * page_size()).as_ptr().cast(), page_size(), libc::PROT_NONE)
        };
        if result == 0 { Ok(()) } else { Err(anyhow!("mprotect failed ({})", Errno::last())) }
    }

    /// Gives the kernel advice about all of it.
    pub fn advise(&self, advice: i32) -> Result<()> {
        // SAFETY: the memory is ours, and no advice that this program gives changes memory that is borrowed.
        let result = unsafe { libc::madvise(self.memory.as_ptr().cast(), self.len, advice) };
        if result == 0 { Ok(()) } else { Err(anyhow!("madvise {advice} failed ({})", Errno::last())) }
    }
}

impl Drop for Mapping {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: by the invariant, and the value is gone afterwards.
        unsafe { refmap::unmap(self.memory, self.len) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_repeats_to_the_end() {
        let mut mapping = Mapping::new(Backing::Anonymous, 2 * page_size()).unwrap();
        mapping.fill(&[1, 2, 3]);
        assert!((0..mapping.len()).all(|offset| mapping.load(offset) as usize == offset % 3 + 1));
    }

    #[test]
    fn only_the_touched_pages_change() {
        let mut mapping = Mapping::filled(&vec![7; 3 * page_size()]).unwrap();
        mapping.store_pages(2);
        let first = |page: usize| mapping.load(page * page_size());
        assert_eq!([first(0), first(1), first(2), mapping.load(1)], [0, 0, 7, 7]);
    }

    #[test]
    fn memory_in_use_is_not_replaced() {
        let mapping = Mapping::new(Backing::Anonymous, page_size()).unwrap();
        assert!(Mapping::at(Backing::Anonymous, page_size(), mapping.address()).is_err());
    }
}
