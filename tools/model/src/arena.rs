// SPDX-License-Identifier: GPL-2.0

//! The address range that the operations act on, and all calls that change or touch it.
//!
//! No Rust reference ever points into it, and nothing else is ever mapped there: the range lies far below where the
//! kernel places mappings by itself. So whatever is mapped, moved or stored in it breaks nothing of the program.

mod tags;

pub use tags::{checked, supported as has_tags};

use crate::model::Answer;
use crate::ops::{Advice, Lock, MapFlag, PAGE, Prot, Span};
use libc::c_int;
use nix::errno::Errno;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

/// The mapping type under test.
const MAP_REFPAGE: c_int = 0x0a;
/// A multiple of the largest huge page.
const START: usize = 0x1000_0000_0000;
/// Pages between the arena and what the other thread has, so that no mapping spans both.
const GAP: usize = 1;

/// The range.
#[derive(Clone, Copy, Debug)]
pub struct Arena {
    pages: usize,
}

/// A request for a mapping in the words of the system call.
pub struct Request {
    /// Access rights.
    pub prot: c_int,
    /// All flags but the address's.
    pub flags: c_int,
    /// The file.
    pub fd: c_int,
    /// The address of the reference page.
    pub reference: usize,
}

impl Request {
    /// A mapping of the type under test.
    pub fn reference(prot: Prot, flag: MapFlag, reference: usize) -> Self {
        let tagged = if flag == MapFlag::Tagged { tags::PROT_MTE } else { 0 };
        let flag = match flag {
            MapFlag::Nothing | MapFlag::Tagged => libc::MAP_FIXED,
            MapFlag::Populate => libc::MAP_FIXED | libc::MAP_POPULATE,
            MapFlag::NoReserve => libc::MAP_FIXED | libc::MAP_NORESERVE,
            MapFlag::Locked => libc::MAP_FIXED | libc::MAP_LOCKED,
            MapFlag::NoReplace => libc::MAP_FIXED_NOREPLACE,
        };
        Self { prot: prot.bits() | tagged, flags: MAP_REFPAGE | flag, fd: -1, reference }
    }

    /// Ordinary anonymous memory.
    pub fn plain(prot: Prot, populate: bool) -> Self {
        let populate = if populate { libc::MAP_POPULATE } else { 0 };
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED | populate;
        Self { prot: prot.bits(), flags, fd: -1, reference: 0 }
    }
}

impl Arena {
    /// The range, with nothing mapped in it.
    pub fn new(pages: usize) -> Self {
        Self { pages }
    }

    /// All of it.
    pub fn span(self) -> Span {
        Span { first: 0, count: self.pages }
    }

    /// A span beyond the end, which the operations do not know.
    pub fn lane(self, count: usize) -> Span {
        Span { first: self.pages + GAP, count }
    }

    /// The address of a byte.
    pub fn address(self, at: usize) -> usize {
        START + at
    }

    /// The address of a page.
    pub fn page(self, page: usize) -> usize {
        START + page * PAGE
    }

    fn pointer(self, page: usize) -> *mut libc::c_void {
        ptr::with_exposed_provenance_mut(self.page(page))
    }

    /// The span of a range of addresses, as far as it lies in the arena.
    pub fn span_of(self, start: usize, end: usize) -> Option<Span> {
        let first = start.max(START);
        let end = end.min(self.page(self.pages));
        (first < end).then(|| Span { first: (first - START) / PAGE, count: (end - first) / PAGE })
    }

    /// `mmap()`.
    pub fn map(self, span: Span, request: &Request) -> Answer {
        let Request { prot, flags, fd, reference } = *request;
        // SAFETY: the range belongs to the arena, whose mappings no reference points into.
        let got = unsafe {
            libc::mmap(self.pointer(span.first), span.count * PAGE, prot, flags, fd, reference as libc::off_t)
        };
        self.check_place(got, span.first)
    }

    /// `munmap()`.
    pub fn unmap(self, span: Span) -> Answer {
        // SAFETY: the range belongs to the arena, whose mappings no reference points into.
        Errno::result(unsafe { libc::munmap(self.pointer(span.first), span.count * PAGE) }).map(drop)
    }

    /// `mprotect()`.
    pub fn protect(self, span: Span, prot: Prot) -> Answer {
        self.set_rights(span, prot.bits())
    }

    fn set_rights(self, span: Span, rights: c_int) -> Answer {
        // SAFETY: the range belongs to the arena, whose mappings no reference points into.
        Errno::result(unsafe { libc::mprotect(self.pointer(span.first), span.count * PAGE, rights) }).map(drop)
    }

    /// `mlock()` and its kin.
    pub fn lock(self, span: Span, lock: Lock) -> Answer {
        let (start, len) = (self.pointer(span.first), span.count * PAGE);
        // SAFETY: locking changes no byte; the range belongs to the arena.
        Errno::result(unsafe {
            match lock {
                Lock::Now => libc::mlock(start, len),
                Lock::OnFault => libc::mlock2(start, len, libc::MLOCK_ONFAULT),
                Lock::Off => libc::munlock(start, len),
            }
        })
        .map(drop)
    }

    /// `madvise()`.
    pub fn advise(self, span: Span, advice: c_int) -> Answer {
        // SAFETY: the range belongs to the arena, so that no reference sees bytes that the advice drops.
        Errno::result(unsafe { libc::madvise(self.pointer(span.first), span.count * PAGE, advice) }).map(drop)
    }

    /// `mremap()` to `count` pages without a move.
    pub fn resize(self, span: Span, count: usize) -> Answer {
        // SAFETY: the range belongs to the arena, whose mappings no reference points into.
        let got = unsafe { libc::mremap(self.pointer(span.first), span.count * PAGE, count * PAGE, 0) };
        self.check_place(got, span.first)
    }

    /// `mremap()` to `count` pages at the page `to`; with `keep`, what was there stays, without its pages.
    pub fn relocate(self, span: Span, to: usize, count: usize, keep: bool) -> Answer {
        let keep = if keep { libc::MREMAP_DONTUNMAP } else { 0 };
        let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED | keep;
        let (old, new) = (self.pointer(span.first), self.pointer(to));
        // SAFETY: both ranges belong to the arena, whose mappings no reference points into.
        let got = unsafe { libc::mremap(old, span.count * PAGE, count * PAGE, flags, new) };
        self.check_place(got, to)
    }

    /// `mremap()` to `count` pages at a place that the kernel chooses. Gives its address.
    pub fn send_away(self, span: Span, count: usize) -> Result<usize, Errno> {
        let old = self.pointer(span.first);
        // SAFETY: the old range belongs to the arena; the kernel places the new one where nothing is mapped.
        let got = unsafe { libc::mremap(old, span.count * PAGE, count * PAGE, libc::MREMAP_MAYMOVE) };
        if got == libc::MAP_FAILED { Err(Errno::last()) } else { Ok(got.expose_provenance()) }
    }

    /// `mremap()` of what [`Self::send_away`] sent away, to the page `to`.
    pub fn bring_back(self, address: usize, count: usize, to: usize) -> Answer {
        let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
        let (old, new) = (ptr::with_exposed_provenance_mut(address), self.pointer(to));
        // SAFETY: nothing but the caller knows the mapping at the address; the new range belongs to the arena.
        let got = unsafe { libc::mremap(old, count * PAGE, count * PAGE, flags, new) };
        self.check_place(got, to)
    }

    /// An answer that names another place than it must is taken for an error that no call gives.
    fn check_place(self, got: *mut libc::c_void, page: usize) -> Answer {
        if got == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        if got.addr() == self.page(page) { Ok(()) } else { Err(Errno::UnknownErrno) }
    }

    /// Loads bytes by loads of `width` bytes each, 0: by a copy. The range is readable.
    pub fn load(self, at: usize, buffer: &mut [u8], width: u8) {
        match width {
            1 => self.load_as::<u8>(at, buffer),
            2 => self.load_as::<u16>(at, buffer),
            4 => self.load_as::<u32>(at, buffer),
            8 => self.load_as::<u64>(at, buffer),
            16 => self.load_as::<u128>(at, buffer),
            // SAFETY: by the model the range is readable, which is what is tested: a fault ends this process, and that
            // is reported. The buffer is not in the arena.
            _ => unsafe { ptr::copy_nonoverlapping(self.byte(at), buffer.as_mut_ptr(), buffer.len()) },
        }
    }

    fn load_as<T: Copy>(self, at: usize, buffer: &mut [u8]) {
        for (index, part) in buffer.chunks_exact_mut(size_of::<T>()).enumerate() {
            let from = self.byte(at).wrapping_add(index * size_of::<T>()).cast::<T>();
            // SAFETY: by the model the range is readable, which is what is tested; the generator aligns it to its width,
            // and every pattern of bits is a value of the integers that this is used for.
            let value = unsafe { from.read_volatile() };
            // SAFETY: the part has the size of the value, and no alignment is asked for.
            unsafe { part.as_mut_ptr().cast::<T>().write_unaligned(value) };
        }
    }

    /// Stores bytes by stores of `width` bytes each, 0: by a copy. The range is writable.
    pub fn store(self, at: usize, bytes: &[u8], width: u8) {
        match width {
            1 => self.store_as::<u8>(at, bytes),
            2 => self.store_as::<u16>(at, bytes),
            4 => self.store_as::<u32>(at, bytes),
            8 => self.store_as::<u64>(at, bytes),
            16 => self.store_as::<u128>(at, bytes),
            // SAFETY: by the model the range is writable, which is what is tested, and no reference points into it.
            _ => unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.byte(at), bytes.len()) },
        }
    }

    fn store_as<T: Copy>(self, at: usize, bytes: &[u8]) {
        for (index, part) in bytes.chunks_exact(size_of::<T>()).enumerate() {
            let to = self.byte(at).wrapping_add(index * size_of::<T>()).cast::<T>();
            // SAFETY: the part has the size of the value, and no alignment is asked for.
            let value = unsafe { part.as_ptr().cast::<T>().read_unaligned() };
            // SAFETY: by the model the range is writable, which is what is tested; it is aligned, and no reference
            // points into it.
            unsafe { to.write_volatile(value) };
        }
    }

    /// Exchanges eight bytes, and gives those that were there.
    pub fn exchange(self, at: usize, bytes: [u8; 8]) -> [u8; 8] {
        let to = self.byte(at).cast::<u64>();
        // SAFETY: by the model the range is writable, which is what is tested; it is aligned to eight bytes.
        let atomic = unsafe { std::sync::atomic::AtomicU64::from_ptr(to) };
        atomic.swap(u64::from_ne_bytes(bytes), std::sync::atomic::Ordering::SeqCst).to_ne_bytes()
    }

    /// `pwrite()` of bytes of the arena; at no offset, `write()`.
    pub fn send(self, fd: BorrowedFd<'_>, at: usize, len: usize, offset: Option<i64>) -> Result<usize, Errno> {
        let (fd, from) = (fd.as_raw_fd(), self.byte(at).cast());
        // SAFETY: the kernel reads the bytes as far as they can be read, and no reference points into them.
        transferred(unsafe {
            match offset {
                None => libc::write(fd, from, len),
                Some(offset) => libc::pwrite(fd, from, len, offset),
            }
        })
    }

    /// `pread()` into the arena; at no offset, `read()`.
    pub fn receive(self, fd: BorrowedFd<'_>, at: usize, len: usize, offset: Option<i64>) -> Result<usize, Errno> {
        let (fd, to) = (fd.as_raw_fd(), self.byte(at).cast());
        // SAFETY: the kernel stores the bytes as far as they can be stored, and no reference points into them.
        transferred(unsafe {
            match offset {
                None => libc::read(fd, to, len),
                Some(offset) => libc::pread(fd, to, len, offset),
            }
        })
    }

    /// `vmsplice()` of bytes of the arena to a pipe.
    pub fn splice(self, pipe: BorrowedFd<'_>, at: usize, len: usize) -> Result<usize, Errno> {
        let bytes = libc::iovec { iov_base: self.byte(at).cast(), iov_len: len };
        // SAFETY: the pipe gets references to the pages, which the kernel keeps for as long as it needs them.
        transferred(unsafe { libc::vmsplice(pipe.as_raw_fd(), &bytes, 1, 0) })
    }

    fn byte(self, at: usize) -> *mut u8 {
        ptr::with_exposed_provenance_mut(self.address(at))
    }
}

/// The number of bytes that a call transferred.
fn transferred(result: isize) -> Result<usize, Errno> {
    usize::try_from(result).map_err(|_| Errno::last())
}

impl Prot {
    fn bits(self) -> c_int {
        match self {
            Self::None => libc::PROT_NONE,
            Self::Read => libc::PROT_READ,
            Self::Write => libc::PROT_READ | libc::PROT_WRITE,
        }
    }
}

impl Advice {
    /// The number of the advice.
    pub fn number(self) -> c_int {
        match self {
            Self::Normal => libc::MADV_NORMAL,
            Self::Random => libc::MADV_RANDOM,
            Self::Sequential => libc::MADV_SEQUENTIAL,
            Self::WillNeed => libc::MADV_WILLNEED,
            Self::DontNeed => libc::MADV_DONTNEED,
            Self::DontNeedLocked => libc::MADV_DONTNEED_LOCKED,
            Self::Free => libc::MADV_FREE,
            Self::Cold => libc::MADV_COLD,
            Self::PageOut => libc::MADV_PAGEOUT,
            Self::PopulateRead => libc::MADV_POPULATE_READ,
            Self::PopulateWrite => libc::MADV_POPULATE_WRITE,
            Self::DontFork => libc::MADV_DONTFORK,
            Self::DoFork => libc::MADV_DOFORK,
            Self::WipeOnFork => libc::MADV_WIPEONFORK,
            Self::KeepOnFork => libc::MADV_KEEPONFORK,
            Self::DontDump => libc::MADV_DONTDUMP,
            Self::DoDump => libc::MADV_DODUMP,
            Self::HugePage => libc::MADV_HUGEPAGE,
            Self::NoHugePage => libc::MADV_NOHUGEPAGE,
            Self::Collapse => libc::MADV_COLLAPSE,
            Self::Mergeable => libc::MADV_MERGEABLE,
            Self::Unmergeable => libc::MADV_UNMERGEABLE,
            // In <asm-generic/mman-common.h> since Linux 6.13.
            Self::GuardInstall => 102,
            Self::GuardRemove => 103,
        }
    }
}
