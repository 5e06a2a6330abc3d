// SPDX-License-Identifier: GPL-2.0

//! The operations: plain values, so that a sequence of them can be saved, repeated and cut down.
//!
//! An operation means something whatever came before it: where it finds nothing to act on it does nothing. So a sequence
//! stays a sequence when any of its operations are taken out.

use serde::{Deserialize, Serialize};

/// Bytes of a page.
pub const PAGE: usize = 4096;
/// Bytes that share a memory tag.
pub const GRANULE: usize = 16;

/// Pages of the arena, counted from its start.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Span {
    /// The first page.
    pub first: usize,
    /// The number of pages, one at least.
    pub count: usize,
}

impl Span {
    /// The page after the last one.
    pub fn end(self) -> usize {
        self.first + self.count
    }

    /// The page numbers.
    pub fn pages(self) -> std::ops::Range<usize> {
        self.first..self.end()
    }

    /// Whether a page is in both.
    pub fn overlaps(self, other: Self) -> bool {
        self.first < other.end() && other.first < self.end()
    }
}

/// Access rights of a mapping.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Prot {
    /// No access.
    None,
    /// Loads.
    Read,
    /// Loads and stores.
    Write,
}

/// Where a reference page comes from.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    /// All zeros.
    Zeros,
    /// Bytes made of a seed, repeated after `period` bytes.
    Repeat {
        /// Names the bytes.
        seed: u8,
        /// In bytes: 1, 2, 4, 8 or 16; 4096 for a page that does not repeat.
        period: u16,
    },
    /// The same but for one byte.
    Flawed {
        /// Names the bytes.
        seed: u8,
        /// In bytes.
        period: u16,
        /// Offset of the byte.
        at: u16,
    },
    /// Whatever this page of the arena holds.
    Arena(usize),
}

/// A mapping of the type under test, placed by `MAP_FIXED`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Map {
    /// Where it goes.
    pub span: Span,
    /// What its clean pages read as.
    pub content: Content,
    /// Its rights.
    pub prot: Prot,
    /// One more flag.
    pub flag: MapFlag,
}

/// A flag that may be added.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MapFlag {
    /// No other flag.
    Nothing,
    /// `MAP_POPULATE`.
    Populate,
    /// `MAP_NORESERVE`.
    NoReserve,
    /// `MAP_LOCKED`.
    Locked,
    /// `MAP_FIXED_NOREPLACE` in place of `MAP_FIXED`.
    NoReplace,
    /// `PROT_MTE` among the rights, so that its memory tags can be used.
    Tagged,
}

/// A request that must be refused.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wrong {
    /// The address of the reference page is no multiple of the page size.
    Misaligned,
    /// A flag that does not go with the type.
    Flag,
    /// A file.
    File,
    /// Nothing is mapped at the reference address.
    Unmapped,
}

/// How bytes are loaded.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reader {
    /// Loads of this many bytes each; 0: a copy by whatever instructions the compiler takes.
    Cpu(u8),
    /// `write()` to a pipe.
    Pipe,
    /// `/proc/self/mem`.
    Mem,
    /// `process_vm_readv()`.
    ProcessVm,
    /// `vmsplice()` to a pipe.
    Vmsplice,
    /// `PTRACE_PEEKDATA` by a child, eight bytes.
    Ptrace,
    /// `write()` to a block device by direct I/O.
    Direct,
}

/// How bytes are stored.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Writer {
    /// Stores of this many bytes each; 0: a copy by whatever instructions the compiler takes.
    Cpu(u8),
    /// An atomic exchange of eight bytes.
    Exchange,
    /// `read()` of a pipe.
    Pipe,
    /// `/proc/self/mem`.
    Mem,
    /// `process_vm_writev()`.
    ProcessVm,
    /// `PTRACE_POKEDATA` by a child, eight bytes.
    Ptrace,
    /// `read()` of a block device by direct I/O.
    Direct,
}

/// Bytes of the arena.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Bytes {
    /// Offset of the first byte from the start of the arena.
    pub at: usize,
    /// Number of bytes, one at least.
    pub len: usize,
}

/// What `madvise()` is told.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Advice {
    /// `MADV_NORMAL`.
    Normal,
    /// `MADV_RANDOM`.
    Random,
    /// `MADV_SEQUENTIAL`.
    Sequential,
    /// `MADV_WILLNEED`.
    WillNeed,
    /// `MADV_DONTNEED`.
    DontNeed,
    /// `MADV_DONTNEED_LOCKED`.
    DontNeedLocked,
    /// `MADV_FREE`.
    Free,
    /// `MADV_COLD`.
    Cold,
    /// `MADV_PAGEOUT`.
    PageOut,
    /// `MADV_POPULATE_READ`.
    PopulateRead,
    /// `MADV_POPULATE_WRITE`.
    PopulateWrite,
    /// `MADV_DONTFORK`.
    DontFork,
    /// `MADV_DOFORK`.
    DoFork,
    /// `MADV_WIPEONFORK`.
    WipeOnFork,
    /// `MADV_KEEPONFORK`.
    KeepOnFork,
    /// `MADV_DONTDUMP`.
    DontDump,
    /// `MADV_DODUMP`.
    DoDump,
    /// `MADV_HUGEPAGE`.
    HugePage,
    /// `MADV_NOHUGEPAGE`.
    NoHugePage,
    /// `MADV_COLLAPSE`.
    Collapse,
    /// `MADV_MERGEABLE`.
    Mergeable,
    /// `MADV_UNMERGEABLE`.
    Unmergeable,
    /// `MADV_GUARD_INSTALL`.
    GuardInstall,
    /// `MADV_GUARD_REMOVE`.
    GuardRemove,
}

/// How memory is locked.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lock {
    /// `mlock()`.
    Now,
    /// `mlock2(MLOCK_ONFAULT)`.
    OnFault,
    /// `munlock()`.
    Off,
}

/// The forms of `mremap()`. Sizes are in pages.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Remap {
    /// In place, to fewer pages.
    Shrink(usize),
    /// In place, by more pages.
    Grow(usize),
    /// By more pages, to wherever there is room, and from there to the page `to`.
    GrowAnywhere {
        /// Additional pages.
        by: usize,
        /// Where it ends up.
        to: usize,
    },
    /// To this page, in this number of pages; where that is the old number, over several mappings.
    Fixed {
        /// The new first page.
        to: usize,
        /// The new number of pages.
        count: usize,
    },
    /// To this page; what was mapped stays mapped, without its pages.
    Keep(usize),
}

/// Settings of transparent huge pages.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Huge {
    /// Nowhere.
    Never,
    /// Where `MADV_HUGEPAGE` asks.
    Madvise,
    /// Everywhere.
    Always,
}

/// What the daemon that merges equal pages does.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ksm {
    /// Looks at all mergeable memory, twice.
    Scan,
    /// Takes all merged pages apart.
    Unmerge,
}

/// What a user-space pager fills pages with.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fill {
    /// `UFFDIO_ZEROPAGE`.
    Zeros,
    /// `UFFDIO_COPY` of a page made of this seed.
    Copy(u8),
}

/// One operation.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Op {
    /// `mmap()` of the type under test.
    Map(Map),
    /// The same while the kernel's `nth` allocation from here on fails.
    MapFailing {
        /// The allocation that fails, from 1.
        nth: u32,
        /// The mapping.
        map: Map,
    },
    /// A request that must be refused and change nothing.
    MapWrong {
        /// Where it would go.
        span: Span,
        /// What is wrong with it.
        wrong: Wrong,
    },
    /// `mmap()` of ordinary anonymous memory.
    MapPlain {
        /// Where it goes.
        span: Span,
        /// Its rights.
        prot: Prot,
        /// With `MAP_POPULATE`.
        populate: bool,
    },
    /// `munmap()`.
    Unmap(Span),
    /// `mprotect()`.
    Protect {
        /// The pages.
        span: Span,
        /// Their new rights.
        prot: Prot,
    },
    /// `mprotect()` that adds `PROT_MTE`.
    AllowTags {
        /// The pages.
        span: Span,
        /// Their new rights.
        prot: Prot,
    },
    /// `mlock()` and its kin.
    Lock {
        /// The pages.
        span: Span,
        /// Which call.
        lock: Lock,
    },
    /// `mremap()`.
    Remap {
        /// The old place.
        span: Span,
        /// The form.
        form: Remap,
    },
    /// `madvise()`.
    Advise {
        /// The pages.
        span: Span,
        /// The advice.
        advice: Advice,
    },
    /// Bytes are loaded and compared.
    Load {
        /// Which bytes.
        bytes: Bytes,
        /// By what.
        by: Reader,
    },
    /// Bytes are stored.
    Store {
        /// Which bytes.
        bytes: Bytes,
        /// Names what is stored.
        seed: u8,
        /// By what.
        by: Writer,
    },
    /// Memory tags are stored.
    StoreTags {
        /// Which bytes, in whole granules.
        bytes: Bytes,
        /// The tag of the first granule.
        first: u8,
        /// What each is more than the one before.
        step: u8,
    },
    /// A granule is loaded through a pointer with a tag, which must be the granule's.
    LoadTagged {
        /// Offset of the granule from the start of the arena.
        at: usize,
        /// The tag.
        tag: u8,
    },
    /// `vmsplice()` of a page to a pipe, then `munmap()` of it, then the pipe is read.
    SpliceAndUnmap(usize),
    /// A buffer that io_uring holds for long: it must see stores that come later, and the mapping what it stores.
    FixedBuffer {
        /// The pages.
        span: Span,
        /// Names what is stored.
        seed: u8,
    },
    /// A child that compares all bytes, then does operations of its own.
    Fork {
        /// What the child does.
        ops: Vec<Op>,
        /// The child begins only at the next `Join`.
        held: bool,
    },
    /// Lets the children that were held go on, and waits for them.
    Join,
    /// The sequence goes on in a child; the parent waits for its end.
    Handover {
        /// The parent unmaps everything first.
        unmap: bool,
    },
    /// Operations while another thread loads, stores and drops pages of a mapping of its own.
    Beside {
        /// Names what the thread does.
        seed: u8,
        /// The operations.
        ops: Vec<Op>,
    },
    /// Pages of equal content are merged, or taken apart.
    Ksm(Ksm),
    /// A setting of transparent huge pages: for the largest size or, in KiB, for one of the smaller ones.
    Huge {
        /// The size in KiB; 0 for the largest.
        kib: u32,
        /// The setting.
        setting: Huge,
    },
    /// The daemon that makes huge pages of small ones looks at all memory.
    Khugepaged,
    /// The memory cgroup gives back this many pages.
    Reclaim(usize),
    /// The memory cgroup's limit falls this many pages below its use, and rises again.
    Squeeze(usize),
    /// All memory is compacted, which moves pages.
    Compact,
    /// `move_pages()` to this node.
    MovePages {
        /// The pages.
        span: Span,
        /// The node.
        node: u32,
    },
    /// `MADV_SOFT_OFFLINE` of a page, if it has one of its own.
    SoftOffline(usize),
    /// The memory of a page that is stored to fails; then the page is dropped.
    FailStored(usize),
    /// The memory of a captured page fails, that of a content of this operation alone.
    FailCaptured {
        /// Names the content.
        seed: u8,
        /// In bytes, after how many it repeats.
        period: u16,
    },
    /// The pages are dropped, then a user-space pager fills them.
    PagerFill {
        /// The pages.
        span: Span,
        /// With what.
        fill: Fill,
    },
    /// `UFFDIO_MOVE` between two pages: refused where one is of the type under test.
    PagerMove {
        /// The page with content.
        from: usize,
        /// Where it should go.
        to: usize,
    },
    /// A pager protects the pages; then every second one is stored to, and only those count as written.
    PagerProtect {
        /// The pages.
        span: Span,
        /// Names what is stored.
        seed: u8,
    },
    /// A child with the same memory dumps core, which is compared.
    Core,
    /// All bytes are compared.
    Compare,
    /// The layout and the number of stored pages are compared with what `/proc` says.
    Count,
}

impl Op {
    /// The operations inside of this one.
    pub fn inner(&self) -> Option<&Vec<Op>> {
        match self {
            Self::Fork { ops, .. } | Self::Beside { ops, .. } => Some(ops),
            _ => None,
        }
    }

    /// The same with other operations inside.
    pub fn with_inner(&self, inner: Vec<Op>) -> Self {
        let mut op = self.clone();
        if let Self::Fork { ops, .. } | Self::Beside { ops, .. } = &mut op {
            *ops = inner;
        }
        op
    }

    /// The number of operations, those inside included.
    pub fn count(&self) -> usize {
        1 + self.inner().map_or(0, |ops| count(ops))
    }
}

/// The number of operations, those inside of others included.
pub fn count(ops: &[Op]) -> usize {
    ops.iter().map(Op::count).sum()
}

/// A whole run: what is saved and repeated.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Sequence {
    /// The seed that it was made of.
    pub seed: u64,
    /// Pages of the arena.
    pub pages: usize,
    /// The operations.
    pub ops: Vec<Op>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inner_operations_count() {
        let fork = Op::Fork { ops: vec![Op::Count, Op::Fork { ops: vec![Op::Join], held: false }], held: true };
        assert_eq!(count(&[fork, Op::Compare]), 5);
    }

    #[test]
    fn spans_overlap_where_they_share_a_page() {
        let span = |first, count| Span { first, count };
        assert!(span(0, 3).overlaps(span(2, 1)));
        assert!(!span(0, 3).overlaps(span(3, 1)));
    }

    #[test]
    fn a_sequence_survives_being_saved() {
        let map = Map {
            span: Span { first: 1, count: 2 },
            content: Content::Arena(3),
            prot: Prot::Read,
            flag: MapFlag::Locked,
        };
        let ops = vec![
            Op::Map(map),
            Op::Remap { span: map.span, form: Remap::Keep(9) },
            Op::Huge { kib: 64, setting: Huge::Always },
        ];
        let sequence = Sequence { seed: 7, pages: 16, ops };
        let text = serde_json::to_string(&sequence).unwrap();
        assert_eq!(serde_json::from_str::<Sequence>(&text).unwrap(), sequence);
    }
}
