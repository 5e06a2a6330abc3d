// SPDX-License-Identifier: GPL-2.0

use core::ffi::c_int;
use core::ffi::c_void;
use core::fmt;
use core::ptr;
use core::ptr::NonNull;

use crate::Errno;
use crate::Fill;

/// The mapping type of `mmap()` for memory whose clean pages read as a reference page. It
/// contains the bit of `MAP_PRIVATE`.
pub const MAP_REFPAGE: c_int = 0x0a;

/// Returns the size of a page.
pub fn page_size() -> usize {
    // SAFETY: sysconf() has no preconditions.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).unwrap_or(4096)
}

/// Why a [`Mapper`] cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetupError {
    /// The kernel does not know `MAP_REFPAGE`, or has it switched off.
    Unsupported(Errno),
    /// A mapping that every kernel knows failed.
    System(Errno),
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported(errno) => write!(
                f,
                "this kernel has no MAP_REFPAGE (mmap: {errno}): boot the patched kernel with \
                 CONFIG_REFPAGE=y, or choose memset or none"
            ),
            Self::System(errno) => write!(f, "mmap of the first pages failed ({errno}): raise the memory limit"),
        }
    }
}

/// A source of fresh memory.
///
/// # Invariants
///
/// With [`Fill::Refpage`], `reference` is a page that holds the pattern, is never written again
/// and never unmapped.
#[derive(Clone, Copy, Debug)]
pub struct Mapper {
    fill: Fill,
    byte: u8,
    page: usize,
    reference: *const u8,
}

// SAFETY: by the invariant, the only memory that is reached through a `Mapper` never changes.
unsafe impl Send for Mapper {}
// SAFETY: as for `Send`.
unsafe impl Sync for Mapper {}

impl Mapper {
    /// Makes a source of memory that holds `byte` throughout, or zeros with [`Fill::None`].
    ///
    /// # Errors
    ///
    /// [`SetupError::Unsupported`] when the kernel cannot do what `fill` asks: one `mmap()` that
    /// fails is the documented test for the feature.
    pub fn new(fill: Fill, byte: u8) -> Result<Self, SetupError> {
        let mut mapper = Self { fill, byte, page: page_size(), reference: ptr::null() };
        if fill == Fill::Refpage {
            mapper.set_up_reference()?;
        }
        Ok(mapper)
    }

    fn set_up_reference(&mut self) -> Result<(), SetupError> {
        let reference = map_plain(self.page).map_err(SetupError::System)?;
        // SAFETY: the page was just mapped, writable, and nothing else knows it.
        unsafe { reference.write_bytes(self.byte, self.page) };
        // INVARIANT: the page is full, and nothing writes or unmaps it from here on.
        self.reference = reference.as_ptr();

        match self.map(self.page) {
            Ok(probe) => {
                // SAFETY: the page was just mapped and nothing else knows it.
                unsafe { unmap(probe, self.page) };
                Ok(())
            }
            Err(errno @ Errno(libc::EINVAL | libc::EBADF | libc::EOPNOTSUPP)) => Err(SetupError::Unsupported(errno)),
            Err(errno) => Err(SetupError::System(errno)),
        }
    }

    /// Returns how fresh memory is filled.
    pub fn fill(&self) -> Fill {
        self.fill
    }

    /// Returns the byte that fresh memory holds throughout.
    pub fn fresh_byte(&self) -> u8 {
        if self.fill.has_pattern() { self.byte } else { 0 }
    }

    /// Returns the size of a page.
    pub fn page_size(&self) -> usize {
        self.page
    }

    /// Maps `len` bytes of fresh memory, which belong to the caller until [`unmap`].
    pub fn map(&self, len: usize) -> Result<NonNull<u8>, Errno> {
        match self.fill {
            Fill::None => map_plain(len),
            Fill::Memset => {
                let memory = map_plain(len)?;
                // SAFETY: `len` writable bytes were just mapped and nothing else knows them.
                unsafe { memory.write_bytes(self.byte, len) };
                Ok(memory)
            }
            Fill::Refpage => mmap(len, libc::MAP_PRIVATE | MAP_REFPAGE, self.reference.expose_provenance()),
        }
    }

    /// Maps `len` bytes of zeros, whatever the pattern.
    pub fn map_zeroed(&self, len: usize) -> Result<NonNull<u8>, Errno> {
        map_plain(len)
    }

    /// Changes the length of a mapping, which may move. What is added reads as the kernel gives
    /// it: the reference page where the mapping has one, else zeros.
    ///
    /// # Safety
    ///
    /// `memory` is the start of a mapping of `old` bytes that belongs to the caller; on success
    /// it is the caller's no more, the returned one is.
    pub unsafe fn resize(&self, memory: NonNull<u8>, old: usize, new: usize) -> Result<NonNull<u8>, Errno> {
        // SAFETY: the caller owns the mapping, and gives it up.
        let moved = unsafe { libc::mremap(memory.as_ptr().cast(), old, new, libc::MREMAP_MAYMOVE) };
        mapped(moved)
    }
}

/// Returns memory to the kernel.
///
/// # Safety
///
/// The `len` bytes at `memory` are whole pages that belong to the caller, and are used no more.
pub unsafe fn unmap(memory: NonNull<u8>, len: usize) -> bool {
    // SAFETY: the caller owns the pages and gives them up.
    unsafe { libc::munmap(memory.as_ptr().cast(), len) == 0 }
}

fn map_plain(len: usize) -> Result<NonNull<u8>, Errno> {
    mmap(len, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, 0)
}

fn mmap(len: usize, flags: c_int, reference: usize) -> Result<NonNull<u8>, Errno> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // An address in the upper half would come out negative, and the kernel takes it so.
    let offset = reference as libc::off_t;
    // SAFETY: the kernel chooses the place, so no memory in use is replaced.
    mapped(unsafe { libc::mmap(ptr::null_mut(), len, protection, flags, -1, offset) })
}

fn mapped(address: *mut c_void) -> Result<NonNull<u8>, Errno> {
    if address == libc::MAP_FAILED {
        return Err(Errno::last());
    }
    NonNull::new(address.cast()).ok_or(Errno(libc::EINVAL))
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;
    use crate::Region;

    #[test]
    fn fresh_memory_holds_the_fill() {
        for (fill, byte) in [(Fill::None, 0), (Fill::Memset, 0xaa)] {
            let mapper = Mapper::new(fill, 0xaa).unwrap();
            let region = Region::new(&mapper, 5 * page_size()).unwrap();
            assert_eq!(mapper.fresh_byte(), byte);
            assert!(region.bytes().iter().all(|&b| b == byte));
        }
    }

    #[test]
    fn zeroed_memory_has_no_pattern() {
        let mapper = Mapper::new(Fill::Memset, 0xaa).unwrap();
        let len = 3 * page_size();
        let memory = mapper.map_zeroed(len).unwrap();
        // SAFETY: `len` bytes were just mapped.
        let bytes = unsafe { core::slice::from_raw_parts(memory.as_ptr(), len) };
        assert!(bytes.iter().all(|&b| b == 0));
        // SAFETY: the mapping belongs to this test, which is done with it.
        assert!(unsafe { unmap(memory, len) });
    }

    #[test]
    fn resize_keeps_the_old_bytes() {
        let mapper = Mapper::new(Fill::Memset, 0x5a).unwrap();
        let page = page_size();
        let memory = mapper.map(page).unwrap();
        // SAFETY: the mapping belongs to this test.
        let memory = unsafe { mapper.resize(memory, page, 64 * page) }.unwrap();
        // SAFETY: the mapping now has 64 pages.
        let bytes = unsafe { core::slice::from_raw_parts(memory.as_ptr(), 64 * page) };
        assert!(bytes[..page].iter().all(|&b| b == 0x5a));
        assert!(bytes[page..].iter().all(|&b| b == 0));
        // SAFETY: the mapping belongs to this test, which is done with it.
        assert!(unsafe { unmap(memory, 64 * page) });
    }

    /// Holds on every kernel: either the feature works or the refusal is the documented one.
    #[test]
    fn a_reference_page_works_or_is_refused_by_name() {
        match Mapper::new(Fill::Refpage, 0xaa) {
            Ok(mapper) => {
                let region = Region::new(&mapper, 9 * page_size()).unwrap();
                assert!(region.bytes().iter().all(|&b| b == 0xaa));
            }
            Err(error) => {
                assert!(matches!(error, SetupError::Unsupported(_)), "{error}");
                assert!(error.to_string().contains("CONFIG_REFPAGE"));
            }
        }
    }

    #[test]
    fn impossible_lengths_are_errors() {
        let mapper = Mapper::new(Fill::None, 0).unwrap();
        assert_eq!(mapper.map(0), Err(Errno(libc::EINVAL)));
        assert_eq!(mapper.map(usize::MAX / 2), Err(Errno(libc::ENOMEM)));
    }
}
