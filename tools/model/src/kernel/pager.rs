// SPDX-License-Identifier: GPL-2.0

//! A user-space pager: userfaultfd, for as long as one operation lasts.

use crate::ops::PAGE;
use nix::errno::Errno;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

const API: u64 = 0xaa;
const MISSING: u64 = 1;
const PROTECT: u64 = 2;
const PROTECT_ASYNC: u64 = 1 << 15;

/// `struct uffdio_api` of `<linux/userfaultfd.h>`, and so on.
#[repr(C)]
struct Hello {
    api: u64,
    features: u64,
    ioctls: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Range {
    start: u64,
    len: u64,
}

#[repr(C)]
struct Register {
    range: Range,
    mode: u64,
    ioctls: u64,
}

#[repr(C)]
struct Copy_ {
    to: u64,
    from: u64,
    len: u64,
    mode: u64,
    copied: i64,
}

#[repr(C)]
struct Zero {
    range: Range,
    mode: u64,
    done: i64,
}

#[repr(C)]
struct Protect {
    range: Range,
    mode: u64,
}

nix::ioctl_readwrite!(uffdio_api, 0xaa, 0x3f, Hello);
nix::ioctl_readwrite!(uffdio_register, 0xaa, 0x00, Register);
nix::ioctl_read!(uffdio_unregister, 0xaa, 0x01, Range);
nix::ioctl_readwrite!(uffdio_copy, 0xaa, 0x03, Copy_);
nix::ioctl_readwrite!(uffdio_zeropage, 0xaa, 0x04, Zero);
nix::ioctl_readwrite!(uffdio_move, 0xaa, 0x05, Copy_);
nix::ioctl_readwrite!(uffdio_writeprotect, 0xaa, 0x06, Protect);

/// A pager of a range.
pub struct Pager {
    fd: OwnedFd,
    range: Range,
}

impl Pager {
    /// For pages that are missing.
    pub fn missing(start: usize, len: usize) -> Result<Self, Errno> {
        Self::new(start, len, 0, MISSING)
    }

    /// For stores, which are let through and remembered.
    pub fn protecting(start: usize, len: usize) -> Result<Self, Errno> {
        let pager = Self::new(start, len, PROTECT_ASYNC, PROTECT)?;
        let mut protect = Protect { range: pager.range, mode: 1 };
        // SAFETY: the structure is the one that this request reads.
        unsafe { uffdio_writeprotect(pager.fd.as_raw_fd(), &mut protect) }?;
        Ok(pager)
    }

    fn new(start: usize, len: usize, features: u64, mode: u64) -> Result<Self, Errno> {
        // SAFETY: the call takes flags alone and makes a descriptor.
        let fd = Errno::result(unsafe { libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC | libc::O_NONBLOCK) })?;
        // SAFETY: the descriptor was just made, and nothing else has it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd as i32) };
        let mut hello = Hello { api: API, features, ioctls: 0 };
        // SAFETY: the structure is the one that this request reads and fills.
        unsafe { uffdio_api(fd.as_raw_fd(), &mut hello) }?;
        let range = Range { start: start as u64, len: len as u64 };
        let mut register = Register { range, mode, ioctls: 0 };
        // SAFETY: the structure is the one that this request reads and fills.
        unsafe { uffdio_register(fd.as_raw_fd(), &mut register) }?;
        Ok(Self { fd, range })
    }

    /// Fills a page that is missing with zeros.
    pub fn zero(&self, page: usize) -> Result<(), Errno> {
        let mut zero = Zero { range: Range { start: page as u64, len: PAGE as u64 }, mode: 0, done: 0 };
        // SAFETY: the structure is the one that this request reads and fills; the page belongs to the arena.
        unsafe { uffdio_zeropage(self.fd.as_raw_fd(), &mut zero) }.map(drop)
    }

    /// Fills a page that is missing with these bytes.
    pub fn copy(&self, page: usize, bytes: &[u8; PAGE]) -> Result<(), Errno> {
        let from = bytes.as_ptr().expose_provenance() as u64;
        let mut copy = Copy_ { to: page as u64, from, len: PAGE as u64, mode: 0, copied: 0 };
        // SAFETY: the structure is the one that this request reads and fills; the page belongs to the arena, and the
        // source has the size of a page.
        unsafe { uffdio_copy(self.fd.as_raw_fd(), &mut copy) }.map(drop)
    }

    /// Moves a page of memory to a page that is missing.
    pub fn move_page(&self, from: usize, to: usize) -> Result<(), Errno> {
        let mut copy = Copy_ { to: to as u64, from: from as u64, len: PAGE as u64, mode: 0, copied: 0 };
        // SAFETY: the structure is the one that this request reads and fills; both pages belong to the arena.
        unsafe { uffdio_move(self.fd.as_raw_fd(), &mut copy) }.map(drop)
    }

    /// Ends it.
    pub fn finish(self) -> Result<(), Errno> {
        let mut range = self.range;
        // SAFETY: the structure is the one that this request reads.
        unsafe { uffdio_unregister(self.fd.as_raw_fd(), &mut range) }.map(drop)
    }
}
