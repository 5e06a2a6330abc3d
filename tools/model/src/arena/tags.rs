// SPDX-License-Identifier: GPL-2.0

//! Memory tags of arm64: four bits for each sixteen bytes of what is mapped with `PROT_MTE`.
//!
//! No access is checked against them but where [`checked`] says so.

use super::{Arena, transferred};
use crate::content::Tags;
use crate::model::Answer;
use crate::ops::{GRANULE, PAGE, Prot, Span};
use libc::c_int;
use nix::errno::Errno;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

/// In <asm/mman.h> of arm64.
pub(super) const PROT_MTE: c_int = 0x20;
/// Where an address has its tag.
const SHIFT: u32 = 56;
/// In <linux/prctl.h>.
const PR_SET_TAGGED_ADDR_CTRL: c_int = 55;
const PR_TAGGED_ADDR_ENABLE: libc::c_ulong = 1 << 0;
const PR_MTE_TCF_SYNC: libc::c_ulong = 1 << 1;

/// The processor has memory tags, and the kernel lets programs use them.
#[cfg(target_arch = "aarch64")]
pub fn supported() -> bool {
    // In <asm/hwcap.h>.
    const HWCAP2_MTE: libc::c_ulong = 1 << 18;
    // SAFETY: this reads what the kernel told this program at its start.
    unsafe { libc::getauxval(libc::AT_HWCAP2) & HWCAP2_MTE != 0 }
}

/// Other processors have none.
#[cfg(not(target_arch = "aarch64"))]
pub fn supported() -> bool {
    false
}

impl Arena {
    /// `mprotect()` with `PROT_MTE`.
    pub fn protect_tagged(self, span: Span, prot: Prot) -> Answer {
        self.set_rights(span, prot.bits() | PROT_MTE)
    }

    /// The tags of a page, which is readable.
    pub fn tags(self, page: usize) -> Tags {
        let mut tags = [0; PAGE / GRANULE];
        for (index, tag) in tags.iter_mut().enumerate() {
            *tag = load_tag(self.page(page) + index * GRANULE);
        }
        tags
    }

    /// Stores the tag of a granule, which is writable.
    pub fn store_tag(self, at: usize, tag: u8) {
        store_tag(tagged(self.address(at), tag));
    }

    /// `write()` of a granule through a pointer with a tag.
    pub fn send_tagged(self, fd: BorrowedFd<'_>, at: usize, tag: u8) -> Result<usize, Errno> {
        let from = ptr::with_exposed_provenance(tagged(self.address(at), tag));
        // SAFETY: the kernel reads the bytes as far as they can be read, and no reference points into them.
        transferred(unsafe { libc::write(fd.as_raw_fd(), from, GRANULE) })
    }
}

/// Does something while all accesses to memory of this thread are checked, those of the kernel on its behalf too.
pub fn checked<T>(act: impl FnOnce() -> T) -> Result<T, Errno> {
    control(PR_TAGGED_ADDR_ENABLE | PR_MTE_TCF_SYNC)?;
    let result = act();
    control(0)?;
    Ok(result)
}

fn control(flags: libc::c_ulong) -> Result<(), Errno> {
    // SAFETY: it changes how addresses of this thread are taken. Those of this program have no tags, and nothing but
    // the arena can have other tags in memory.
    Errno::result(unsafe { libc::prctl(PR_SET_TAGGED_ADDR_CTRL, flags, 0, 0, 0) }).map(drop)
}

fn tagged(address: usize, tag: u8) -> usize {
    address | usize::from(tag) << SHIFT
}

#[cfg(target_arch = "aarch64")]
fn load_tag(address: usize) -> u8 {
    let mut word = address;
    // SAFETY: by the model the granule is readable, which is what is tested; a fault ends this process, and that is reported.
    unsafe { std::arch::asm!(".arch_extension memtag", "ldg {0}, [{0}]", inout(reg) word, options(nostack, readonly)) };
    (word >> SHIFT) as u8 & 0xf
}

#[cfg(target_arch = "aarch64")]
fn store_tag(address: usize) {
    // SAFETY: by the model the granule is writable, which is what is tested; no byte of it changes.
    unsafe { std::arch::asm!(".arch_extension memtag", "stg {0}, [{0}]", in(reg) address, options(nostack)) };
}

#[cfg(not(target_arch = "aarch64"))]
fn load_tag(_address: usize) -> u8 {
    0
}

#[cfg(not(target_arch = "aarch64"))]
fn store_tag(_address: usize) {}
