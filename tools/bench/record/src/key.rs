// SPDX-License-Identifier: GPL-2.0

use serde::{Deserialize, Serialize};
use std::fmt;

/// What a value is the value of.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Key {
    /// The workload.
    pub workload: Workload,
    /// What is done in it.
    pub case: String,
    /// How many of it: pages, mappings or contents, as the case says. 0 where that makes no sense.
    pub size: u64,
    /// Where the memory comes from.
    pub way: Way,
    /// What the memory holds.
    pub content: Content,
    /// What is measured.
    pub measure: Measure,
}

/// A group of cases.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Workload {
    /// Map, touch, unmap: the microbenchmark of 2021.
    Microbench,
    /// One page fault at a time.
    Fault,
    /// Many pages, mappings, contents.
    Scale,
    /// Programs that read memory before they write it.
    ReadFirst,
    /// Loads, and stores after them, for each setting of huge pages.
    Reads,
    /// What programs pay that do not use reference pages.
    Everybody,
    /// Real programs on a real allocator.
    Heap,
    /// Large blocks of a real allocator with memory tags, for processors that have these.
    Tags,
    /// What the content of a page takes the processor that this runs on.
    Processor,
}

impl Workload {
    /// All workloads, in the order in which they run. What is compared between kernels comes first: others leave their
    /// traces in the process.
    pub const ALL: [Self; 9] = [
        Self::Everybody,
        Self::Microbench,
        Self::Fault,
        Self::Scale,
        Self::ReadFirst,
        Self::Reads,
        Self::Heap,
        Self::Tags,
        Self::Processor,
    ];

    /// The name that selects it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Microbench => "microbench",
            Self::Fault => "fault",
            Self::Scale => "scale",
            Self::ReadFirst => "read-first",
            Self::Reads => "reads",
            Self::Everybody => "everybody",
            Self::Heap => "heap",
            Self::Tags => "tags",
            Self::Processor => "processor",
        }
    }
}

/// How a program gets memory with a content.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// Anonymous memory that the program fills at once.
    Memset,
    /// Anonymous memory as it is, zeros: the bound.
    Plain,
    /// Userfaultfd: a thread of the program fills each page at its first access.
    UffdThread,
    /// Userfaultfd: a signal handler does.
    UffdSigbus,
    /// A private mapping of a filled memory file of full length.
    Memfd,
    /// `MAP_REFPAGE`, with the reference page in ordinary memory.
    Refpage,
    /// `MAP_REFPAGE`, with the reference page in another such mapping.
    RefpageOfRefpage,
    /// `MAP_REFPAGE`, where a store stands in for each first load: the cost of filling at the first touch.
    RefpageFilled,
    /// `MAP_REFPAGE` for all memory of an allocator, also where its caller wants zeros: it clears then.
    RefpageCleared,
    /// Plain memory, where the allocator itself fills each block that it gives out, but leaves fresh large ones zero.
    Allocator,
    /// Plain memory that can have tags, all of which are 0.
    TagZero,
    /// Plain memory, where the allocator stores a tag to all of each block that it gives out.
    TagStores,
}

impl Way {
    /// The name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Memset => "memset",
            Self::Plain => "plain",
            Self::UffdThread => "userfaultfd, thread",
            Self::UffdSigbus => "userfaultfd, SIGBUS",
            Self::Memfd => "memfd",
            Self::Refpage => "MAP_REFPAGE",
            Self::RefpageOfRefpage => "MAP_REFPAGE of the same",
            Self::RefpageFilled => "filled at first touch",
            Self::RefpageCleared => "MAP_REFPAGE, calloc clears",
            Self::Allocator => "filled by Scudo",
            Self::TagZero => "PROT_MTE, tag 0",
            Self::TagStores => "tags stored",
        }
    }
}

/// What memory holds that nobody wrote.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    /// Zeros, or of no matter.
    None,
    /// The byte 0xAA throughout.
    Byte,
    /// Sixteen bytes, over and over.
    Sixteen,
    /// A page without a period.
    Page,
}

impl Content {
    /// Every content that a reference page may have.
    pub const PATTERNS: [Self; 3] = [Self::Byte, Self::Sixteen, Self::Page];

    /// The name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "-",
            Self::Byte => "0xAA",
            Self::Sixteen => "16 bytes",
            Self::Page => "a page",
        }
    }
}

/// What is measured.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// Time by the guest's clock.
    Time,
    /// Growth of resident memory at its peak, counted in the page tables; of a real program, all of it.
    PeakRss,
    /// Growth of the memory of page tables.
    PageTables,
    /// Growth of what the kernel holds of its own (`kernel` of the memory cgroup), for each of `size`.
    Kernel,
    /// Number of virtual memory areas that were added.
    Areas,
    /// Number of captured pages that were added.
    Captured,
    /// Size of a structure in the kernel.
    Structure,
    /// Page faults without I/O.
    Faults,
    /// Large folios that page faults got.
    LargeFolios,
    /// Growth of the memory that is mapped as huge pages.
    HugeMapped,
    /// Memory that an allocator mapped for blocks.
    Mapped,
    /// Memory that an allocator cleared since it does not come as zeros.
    Cleared,
}

impl Measure {
    /// The unit of its values.
    pub const fn unit(self) -> Unit {
        match self {
            Self::Time => Unit::Nanoseconds,
            Self::PeakRss | Self::PageTables | Self::Kernel | Self::Structure => Unit::Bytes,
            Self::HugeMapped | Self::Mapped | Self::Cleared => Unit::Bytes,
            Self::Areas | Self::Captured | Self::Faults | Self::LargeFolios => Unit::Count,
        }
    }

    /// The name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::PeakRss => "peak memory",
            Self::PageTables => "page tables",
            Self::Kernel => "kernel memory",
            Self::Areas => "areas",
            Self::Captured => "captured pages",
            Self::Structure => "size",
            Self::Faults => "faults",
            Self::LargeFolios => "large folios",
            Self::HugeMapped => "mapped as huge pages",
            Self::Mapped => "mapped for blocks",
            Self::Cleared => "cleared for calloc",
        }
    }
}

/// The unit of a value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unit {
    /// Time.
    Nanoseconds,
    /// Memory.
    Bytes,
    /// A number of things.
    Count,
}

impl fmt::Display for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.workload.name(), self.case)?;
        if self.size > 0 {
            write!(out, " ({})", self.size)?;
        }
        write!(out, ", {}", self.way.name())
    }
}
