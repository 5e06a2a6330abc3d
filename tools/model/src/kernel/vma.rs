// SPDX-License-Identifier: GPL-2.0

//! Where mappings end: `mremap()` asks for that, and which neighbours merge is the kernel's own business.

use nix::errno::Errno;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// `struct procmap_query` of `<linux/fs.h>`.
#[repr(C)]
#[derive(Default)]
struct Query {
    size: u64,
    flags: u64,
    address: u64,
    start: u64,
    end: u64,
    rights: u64,
    page_size: u64,
    offset: u64,
    inode: u64,
    major: u32,
    minor: u32,
    name_size: u32,
    id_size: u32,
    name: u64,
    id: u64,
}

nix::ioctl_readwrite!(procmap_query, b'f', 17, Query);

/// The mappings of this process.
pub struct Mappings(File);

impl Mappings {
    /// Those of the process that calls.
    pub fn open() -> io::Result<Self> {
        File::open("/proc/self/maps").map(Self)
    }

    /// The address after the mapping that has this one.
    pub fn end(&self, address: usize) -> Result<usize, Errno> {
        let mut query = Query { size: size_of::<Query>() as u64, address: address as u64, ..Query::default() };
        // SAFETY: the structure is the one that this request reads and fills, and says its size.
        unsafe { procmap_query(self.0.as_raw_fd(), &mut query) }?;
        usize::try_from(query.end).map_err(|_| Errno::EOVERFLOW)
    }
}
