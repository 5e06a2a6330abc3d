// SPDX-License-Identifier: GPL-2.0

/// What of a page that is written the processor has in its caches, in the workload for processors.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Written {
    /// The page, and what is copied to it.
    Cached,
    /// What is copied to it.
    Cold,
    /// Neither.
    ColdSource,
}

impl Written {
    /// The name of its case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cached => "a page that is cached",
            Self::Cold => "a page that is not",
            Self::ColdSource => "neither it nor its source",
        }
    }
}
