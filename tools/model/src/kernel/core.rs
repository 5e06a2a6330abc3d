// SPDX-License-Identifier: GPL-2.0

//! Core dumps of this process, by a child that has its memory.

use crate::process;
use nix::sys::resource::{Resource, setrlimit};
use object::Endianness;
use object::elf::{FileHeader64, PT_LOAD};
use object::read::elf::{FileHeader, ProgramHeader};
use std::ffi::c_int;
use std::fs;
use std::io;
use std::ops::Range;

const FILE: &str = "/tmp/refpage-model.core";
const ABORTED: c_int = process::KILLED + libc::SIGABRT;

/// A core file.
pub struct Core {
    file: Vec<u8>,
    /// Where addresses are in the file. What has no bytes there was left out.
    segments: Vec<(Range<u64>, u64)>,
}

/// Names the file that cores go to.
pub fn prepare() -> io::Result<()> {
    fs::write("/proc/sys/kernel/core_uses_pid", "0")?;
    fs::write("/proc/sys/kernel/core_pattern", FILE)
}

impl Core {
    /// Dumps.
    pub fn dump() -> io::Result<Self> {
        let Some(child) = process::split()? else {
            // Without a core there is no file, which the parent tells.
            let _ = setrlimit(Resource::RLIMIT_CORE, libc::RLIM_INFINITY, libc::RLIM_INFINITY);
            std::process::abort();
        };
        match process::wait(child)? {
            ABORTED => (),
            status => return Err(io::Error::other(format!("a child that aborts ended with status {status}"))),
        }
        let file = fs::read(FILE)?;
        fs::remove_file(FILE)?;
        let segments = segments(&file).map_err(io::Error::other)?;
        Ok(Self { file, segments })
    }

    /// The bytes at an address, if the file has all of them.
    pub fn bytes(&self, address: usize, len: usize) -> Option<&[u8]> {
        let (start, len) = (address as u64, len as u64);
        let holds = |range: &Range<u64>| range.start <= start && start + len <= range.end;
        let (range, offset) = self.segments.iter().find(|(range, _)| holds(range))?;
        let from = usize::try_from(offset + start - range.start).ok()?;
        self.file.get(from..from + len as usize)
    }
}

/// The addresses that the file has, each range with its place there.
fn segments(file: &[u8]) -> object::Result<Vec<(Range<u64>, u64)>> {
    let header = FileHeader64::<Endianness>::parse(file)?;
    let endian = header.endian()?;
    let loaded = header.program_headers(endian, file)?.iter().filter(|segment| segment.p_type(endian) == PT_LOAD);
    let place = |segment: &object::elf::ProgramHeader64<Endianness>| {
        let start = segment.p_vaddr(endian);
        (start..start + segment.p_filesz(endian), segment.p_offset(endian))
    };
    Ok(loaded.map(place).collect())
}
