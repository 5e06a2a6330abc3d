//! Our own programs that run in guests.

use crate::kernel;
use anyhow::Result;
use common::arch::Arch;
use common::paths::Paths;
use std::path::PathBuf;
use std::process::Command;

/// Programs to build together.
pub struct Programs<'a> {
    /// Their packages in the workspace.
    pub packages: &'a [&'a str],
    /// What they are for, in names of files and messages.
    pub name: &'a str,
    /// Whether they bring the C library with them.
    pub linked: Linked,
}

/// How programs find the C library.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Linked {
    /// They run on any root file system.
    Statically,
    /// Libraries can be preloaded.
    Dynamically,
}

impl Programs<'_> {
    /// Builds them for the architecture of guests, and gives the folder that they are in.
    pub fn build(&self, paths: &Paths) -> Result<PathBuf> {
        let target = paths.state.join(format!("target-{}", self.name));
        let mut command = self.cargo(paths.arch);
        command.arg("--manifest-path").arg(paths.repo.join("tools/Cargo.toml")).arg("--target-dir").arg(&target);
        let log = paths.logs()?.join(format!("{}-build.log", self.name));
        kernel::logged(command, &format!("building the programs of {}", self.name), 60, &log)?;
        Ok(target.join(paths.arch.rust_target()).join("release"))
    }

    fn cargo(&self, arch: Arch) -> Command {
        let target = arch.rust_target();
        let mut command = Command::new("cargo");
        command.args(["build", "--release", "--locked", "--target", target]);
        command.args(self.packages.iter().flat_map(|package| ["--package", package]));
        let linker = format!("CARGO_TARGET_{}_LINKER", target.to_uppercase().replace('-', "_"));
        command.env(linker, format!("{}gcc", arch.cross()));
        if self.linked == Linked::Statically {
            command.env("RUSTFLAGS", "-C target-feature=+crt-static");
        }
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::cmd;

    #[test]
    fn programs_are_linked_by_the_compiler_of_the_architecture() {
        let programs = Programs { packages: &["a", "b"], name: "test", linked: Linked::Dynamically };
        let command = programs.cargo(Arch::Arm64);
        let words = cmd::shown(&command);
        assert!(words.ends_with("--target aarch64-unknown-linux-gnu --package a --package b"), "{words}");
        let linker = command.get_envs().find(|(name, _)| *name == "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER");
        assert_eq!(linker.unwrap().1.unwrap(), "aarch64-linux-gnu-gcc");
        assert!(command.get_envs().all(|(name, _)| name != "RUSTFLAGS"));
    }
}
