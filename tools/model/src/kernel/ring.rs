// SPDX-License-Identifier: GPL-2.0

//! A buffer that io_uring pins for as long as it is registered.

use io_uring::{IoUring, opcode, types};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd};

/// The ring, with one registered buffer.
pub struct Ring {
    ring: IoUring,
    file: File,
    address: usize,
    len: u32,
}

impl Ring {
    /// Registers the buffer.
    pub fn new(address: usize, len: usize) -> io::Result<Self> {
        let ring = IoUring::new(2)?;
        // SAFETY: the name is a C string, and the call makes a descriptor.
        let fd = unsafe { libc::memfd_create(c"model".as_ptr(), libc::MFD_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor was just made, and nothing else has it.
        let file = unsafe { File::from_raw_fd(fd) };
        let buffer = libc::iovec { iov_base: std::ptr::with_exposed_provenance_mut(address), iov_len: len };
        // SAFETY: the kernel pins the pages of the arena that it finds there; no reference points into them.
        unsafe { ring.submitter().register_buffers(&[buffer]) }?;
        Ok(Self { ring, file, address, len: len as u32 })
    }

    /// What the kernel reads in the buffer.
    pub fn load(&mut self) -> io::Result<Vec<u8>> {
        let (fd, at) = (types::Fd(self.file.as_raw_fd()), std::ptr::with_exposed_provenance(self.address));
        self.submit(&opcode::WriteFixed::new(fd, at, self.len, 0).build())?;
        let mut bytes = vec![0; self.len as usize];
        std::os::unix::fs::FileExt::read_exact_at(&self.file, &mut bytes, 0)?;
        Ok(bytes)
    }

    /// Lets the kernel store these bytes, as many as the buffer has, in the buffer.
    pub fn store(&mut self, bytes: &[u8]) -> io::Result<()> {
        std::os::unix::fs::FileExt::write_all_at(&self.file, bytes, 0)?;
        let (fd, at) = (types::Fd(self.file.as_raw_fd()), std::ptr::with_exposed_provenance_mut(self.address));
        self.submit(&opcode::ReadFixed::new(fd, at, self.len, 0).build())
    }

    fn submit(&mut self, entry: &io_uring::squeue::Entry) -> io::Result<()> {
        // SAFETY: the entry names the registered buffer and a file, and both outlive it: its end is waited for here.
        unsafe { self.ring.submission().push(entry) }.map_err(io::Error::other)?;
        self.ring.submit_and_wait(1)?;
        let result = self.ring.completion().next().map_or(-libc::EAGAIN, |done| done.result());
        match result {
            all if u32::try_from(all) == Ok(self.len) => Ok(()),
            error if error < 0 => Err(io::Error::from_raw_os_error(-error)),
            part => Err(io::Error::other(format!("{part} bytes of {}", self.len))),
        }
    }
}
