// SPDX-License-Identifier: GPL-2.0

//! Direct I/O between the arena and a block device.

use super::World;
use crate::failure::{Failure, Kind, test_io};
use crate::ops::PAGE;
use nix::errno::Errno;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

/// Bytes that addresses and lengths are multiples of.
pub const SECTOR: usize = 512;

/// Ordinary memory for the other side, aligned as the device wants it. It is as long as the longest access.
#[repr(align(4096))]
struct Buffer([u8; 4 * PAGE]);

impl World<'_> {
    /// Writes bytes of the arena to the device, and looks what it got.
    pub(super) fn direct_load(&mut self, at: usize, seen: &mut [u8]) -> Result<Result<usize, Errno>, Failure> {
        let disk = self.disk()?;
        let sent = self.arena.send(disk.as_fd(), at, seen.len().next_multiple_of(SECTOR), Some(0));
        if sent.is_ok() {
            let mut buffer = Box::new(Buffer([0; 4 * PAGE]));
            disk.read_exact_at(&mut buffer.0, 0).map_err(test_io("the block device"))?;
            seen.copy_from_slice(&buffer.0[..seen.len()]);
        }
        Ok(sent)
    }

    /// Puts bytes on the device, and reads them into the arena.
    pub(super) fn direct_store(&mut self, at: usize, data: &[u8]) -> Result<Result<usize, Errno>, Failure> {
        let disk = self.disk()?;
        let mut buffer = Box::new(Buffer([0; 4 * PAGE]));
        buffer.0[..data.len()].copy_from_slice(data);
        disk.write_all_at(&buffer.0, 0).map_err(test_io("the block device"))?;
        Ok(self.arena.receive(disk.as_fd(), at, data.len().next_multiple_of(SECTOR), Some(0)))
    }

    fn disk(&self) -> Result<&std::fs::File, Failure> {
        self.machine.disk().ok_or_else(|| Failure::new(Kind::Test, "there is no block device"))
    }
}
