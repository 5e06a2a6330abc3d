// SPDX-License-Identifier: GPL-2.0

//! Scudo as a library to preload, made when this crate is built.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder with `libscudo.so` and the source that it was made from.
pub fn folder() -> &'static Path {
    Path::new(env!("REFSCUDO_FOLDER"))
}

/// The library, to be named in `LD_PRELOAD`.
pub fn library() -> PathBuf {
    folder().join("libscudo.so")
}

/// Which blocks have memory tags, where the machine has them, and by what.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tags {
    /// Small ones, as Scudo itself has it. Large ones have tag 0.
    Small,
    /// Small ones. Large ones have tag 0, in memory that could have others.
    Zero,
    /// Large ones too: the allocator stores them.
    Stores,
    /// Large ones too: they are mapped as copies of a reference page that has them.
    Refpages,
}

impl Tags {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Small, Self::Zero, Self::Stores, Self::Refpages];

    /// The word for it in `REFSCUDO_TAGS`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Zero => "zero",
            Self::Stores => "stores",
            Self::Refpages => "refpages",
        }
    }

    /// Lets a command run on the library in this way. The C library is told too, whose functions for strings else load more
    /// than a string has.
    pub fn apply(self, command: &mut Command) -> &mut Command {
        command.env("LD_PRELOAD", library()).env("REFSCUDO_TAGS", self.name());
        command.env("GLIBC_TUNABLES", "glibc.mem.tagging=3")
    }
}
