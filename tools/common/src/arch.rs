//! The architecture that kernels are built for.

use anyhow::{Result, bail};
use serde::Deserialize;
use std::env;

/// An architecture. `tools/bootstrap` enters a root file system that has what it takes.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Arch {
    /// That of the machines that this runs on.
    #[default]
    X86_64,
    /// Built by a cross compiler, and always emulated.
    Arm64,
}

impl Arch {
    /// The one that `tools/bootstrap` was started for.
    pub fn discover() -> Result<Self> {
        Self::parse(&env::var("REFPAGE_ARCH").unwrap_or_default())
    }

    fn parse(name: &str) -> Result<Self> {
        Ok(match name {
            "" | "x86_64" => Self::X86_64,
            "arm64" => Self::Arm64,
            _ => bail!("there is no architecture {name}: take x86_64 or arm64"),
        })
    }

    /// Its name, as the kernel has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "arm64",
        }
    }

    /// The name of something that there is one of for each architecture.
    pub fn named(self, what: &str) -> String {
        match self {
            Self::X86_64 => what.to_owned(),
            Self::Arm64 => format!("arm64-{what}"),
        }
    }

    /// What to boot, in a build folder.
    pub fn image(self) -> &'static str {
        match self {
            Self::X86_64 => "arch/x86/boot/bzImage",
            Self::Arm64 => "arch/arm64/boot/Image",
        }
    }

    /// Its name, as Rust has it, with the C library that our programs are for.
    pub fn rust_target(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64-unknown-linux-gnu",
            Self::Arm64 => "aarch64-unknown-linux-gnu",
        }
    }

    /// What the names of its compilers begin with, where they are not those of the machine.
    pub fn cross(self) -> &'static str {
        match self {
            Self::X86_64 => "",
            Self::Arm64 => "aarch64-linux-gnu-",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_own_architecture_needs_no_name() {
        assert_eq!(Arch::parse("").unwrap(), Arch::X86_64);
        assert_eq!(Arch::X86_64.named("test"), "test");
    }

    #[test]
    fn builds_of_architectures_have_names_of_their_own() {
        assert_eq!(Arch::parse("arm64").unwrap().named("test"), "arm64-test");
    }

    #[test]
    fn other_architectures_are_refused() {
        assert!(Arch::parse("arm").unwrap_err().to_string().contains("x86_64 or arm64"));
    }
}
