// SPDX-License-Identifier: GPL-2.0

//! What this kernel and this machine can do: an operation that needs more does nothing, and that is said once.

use super::{core, fault, knob, pager, ring};
use crate::arena;
use crate::ops::{Advice, Map, MapFlag, Op, PAGE, Reader, Writer};
use std::collections::BTreeMap;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Something that not every kernel has.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Facility {
    /// Merging of equal pages.
    Ksm,
    /// Transparent huge pages; of a smaller size, in KiB, where it is not 0.
    Huge(u32),
    /// A memory cgroup of its own.
    Cgroup,
    /// Swap.
    Swap,
    /// Compaction.
    Compaction,
    /// A second memory node.
    Nodes,
    /// Soft offlining.
    SoftOffline,
    /// Handling of memory that fails.
    MemoryFailure,
    /// User-space pagers.
    Pager,
    /// Core dumps.
    Core,
    /// Fault injection.
    FaultInjection,
    /// io_uring.
    Ring,
    /// A block device for direct I/O.
    Disk,
    /// Memory tags of arm64.
    Tags,
}

impl fmt::Display for Facility {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ksm => out.write_str("merging of equal pages"),
            Self::Huge(0) => out.write_str("transparent huge pages"),
            Self::Huge(kib) => write!(out, "transparent huge pages of {kib} KiB"),
            Self::Cgroup => out.write_str("a memory cgroup"),
            Self::Swap => out.write_str("swap"),
            Self::Compaction => out.write_str("compaction"),
            Self::Nodes => out.write_str("a second memory node"),
            Self::SoftOffline => out.write_str("soft offlining"),
            Self::MemoryFailure => out.write_str("handling of memory failure"),
            Self::Pager => out.write_str("userfaultfd"),
            Self::Core => out.write_str("core dumps"),
            Self::FaultInjection => out.write_str("fault injection"),
            Self::Ring => out.write_str("io_uring"),
            Self::Disk => out.write_str("direct I/O"),
            Self::Tags => out.write_str("memory tags"),
        }
    }
}

impl Op {
    /// What the operation needs.
    pub fn needs(&self) -> Option<Facility> {
        Some(match self {
            Self::MapFailing { .. } => Facility::FaultInjection,
            Self::Ksm(_) => Facility::Ksm,
            Self::Huge { kib, .. } => Facility::Huge(*kib),
            Self::Reclaim(_) | Self::Squeeze(_) => Facility::Cgroup,
            Self::Advise { advice: Advice::PageOut, .. } => Facility::Swap,
            Self::Advise { advice: Advice::Mergeable | Advice::Unmergeable, .. } => Facility::Ksm,
            Self::Advise { advice: Advice::HugePage | Advice::NoHugePage | Advice::Collapse, .. } => Facility::Huge(0),
            Self::Compact => Facility::Compaction,
            Self::MovePages { .. } => Facility::Nodes,
            Self::SoftOffline(_) => Facility::SoftOffline,
            Self::FailStored(_) | Self::FailCaptured { .. } => Facility::MemoryFailure,
            Self::PagerFill { .. } | Self::PagerMove { .. } | Self::PagerProtect { .. } => Facility::Pager,
            Self::Core => Facility::Core,
            Self::FixedBuffer { .. } => Facility::Ring,
            Self::Load { by: Reader::Direct, .. } | Self::Store { by: Writer::Direct, .. } => Facility::Disk,
            Self::AllowTags { .. } | Self::StoreTags { .. } | Self::LoadTagged { .. } => Facility::Tags,
            Self::Map(Map { flag: MapFlag::Tagged, .. }) => Facility::Tags,
            _ => return None,
        })
    }
}

/// What was found.
pub struct Facilities {
    missing: BTreeMap<Facility, String>,
    /// Where direct I/O goes.
    disk: Option<File>,
}

impl Facilities {
    /// Tries all of them.
    pub fn probe(disk: Option<&Path>) -> Self {
        let mut missing = BTreeMap::new();
        let mut note = |facility, result: io::Result<()>| {
            if let Err(error) = result {
                missing.insert(facility, error.to_string());
            }
        };
        note(Facility::Ksm, exists("/sys/kernel/mm/ksm/run"));
        for kib in [0, 16, 32, 64, 128, 256, 512, 1024] {
            note(Facility::Huge(kib), exists(knob::huge_file(kib)));
        }
        note(Facility::Cgroup, knob::cgroup().and_then(|folder| exists(folder.join("memory.reclaim"))));
        note(Facility::Swap, swap());
        note(Facility::Compaction, exists("/proc/sys/vm/compact_memory"));
        note(Facility::Nodes, exists("/sys/devices/system/node/node1"));
        note(Facility::SoftOffline, exists("/sys/devices/system/memory/soft_offline_page"));
        note(Facility::MemoryFailure, exists("/sys/devices/system/memory/hard_offline_page"));
        note(Facility::Core, core::prepare());
        note(Facility::FaultInjection, fault::prepare());
        let page = vec![0_u8; 2 * PAGE];
        let aligned = page.as_ptr().addr().next_multiple_of(PAGE);
        note(Facility::Pager, pager::Pager::missing(aligned, PAGE).and_then(pager::Pager::finish).map_err(Into::into));
        note(Facility::Ring, ring::Ring::new(aligned, PAGE).map(drop));
        let tags = if arena::has_tags() { Ok(()) } else { Err(io::Error::other("the processor has none")) };
        note(Facility::Tags, tags);
        let disk = disk.map_or(Err(io::Error::other("no device was named")), open);
        note(Facility::Disk, disk.as_ref().map(drop).map_err(|error| io::Error::other(error.to_string())));
        Self { missing, disk: disk.ok() }
    }

    /// The operation can be done here.
    pub fn have(&self, op: &Op) -> bool {
        op.needs().is_none_or(|facility| !self.missing.contains_key(&facility))
    }

    /// Where direct I/O goes.
    pub fn disk(&self) -> Option<&File> {
        self.disk.as_ref()
    }

    /// What is missing, and why.
    pub fn missing(&self) -> impl Iterator<Item = String> {
        self.missing.iter().map(|(facility, why)| format!("{facility}: {why}"))
    }
}

fn exists(path: impl AsRef<Path>) -> io::Result<()> {
    std::fs::metadata(path).map(drop)
}

fn swap() -> io::Result<()> {
    let devices = std::fs::read_to_string("/proc/swaps")?.lines().skip(1).count();
    if devices > 0 { Ok(()) } else { Err(io::Error::other("none is in use")) }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).custom_flags(libc::O_DIRECT).open(path)
}
