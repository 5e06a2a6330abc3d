// SPDX-License-Identifier: GPL-2.0

//! `PAGEMAP_SCAN`: which pages were written since a pager protected them.

use nix::errno::Errno;
use std::fs::File;
use std::os::fd::AsRawFd;

const WRITTEN: u64 = 1 << 1;

/// `struct page_region` of `<linux/fs.h>`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Region {
    start: u64,
    end: u64,
    categories: u64,
}

/// `struct pm_scan_arg` of `<linux/fs.h>`.
#[repr(C)]
#[derive(Default)]
struct Scan {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    regions: u64,
    regions_len: u64,
    max_pages: u64,
    inverted: u64,
    mask: u64,
    anyof: u64,
    wanted: u64,
}

nix::ioctl_readwrite!(pagemap_scan, b'f', 16, Scan);

/// Ranges of addresses in `start..end` whose pages were written.
pub fn written(start: usize, end: usize, most: usize) -> Result<Vec<(usize, usize)>, Errno> {
    let file = File::open("/proc/self/pagemap").map_err(|_| Errno::ENOENT)?;
    let mut regions = vec![Region::default(); most];
    let mut scan = Scan {
        size: size_of::<Scan>() as u64,
        start: start as u64,
        end: end as u64,
        regions: regions.as_mut_ptr().expose_provenance() as u64,
        regions_len: most as u64,
        mask: WRITTEN,
        wanted: WRITTEN,
        ..Scan::default()
    };
    // SAFETY: the structure is the one that this request reads and fills, and says how many regions there is room for.
    let count = unsafe { pagemap_scan(file.as_raw_fd(), &mut scan) }?;
    regions.truncate(usize::try_from(count).unwrap_or(0));
    Ok(regions.iter().map(|region| (region.start as usize, region.end as usize)).collect())
}
