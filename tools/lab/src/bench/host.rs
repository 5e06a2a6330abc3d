//! The machine that the guests ran on.

use anyhow::Result;
use common::cmd::{self, git};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::available_parallelism;

/// The facts that figures depend on.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Host {
    /// Name of the processor.
    pub processor: String,
    /// Processors that this process may use.
    pub processors: usize,
    /// Release of the kernel.
    pub kernel: String,
    /// Version of the emulator.
    pub emulator: String,
    /// The commit of this repository, with a mark where files differ from it.
    pub commit: String,
}

/// Looks at this machine.
pub fn describe(repo: &Path) -> Result<Host> {
    let version = cmd::output(Command::new("qemu-system-x86_64").arg("--version"))?;
    Ok(Host {
        processor: processor(&fs::read_to_string("/proc/cpuinfo")?),
        processors: available_parallelism()?.get(),
        kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned(),
        emulator: version.lines().next().unwrap_or_default().to_owned(),
        commit: cmd::output(git(repo).args(["describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]))?,
    })
}

fn processor(cpuinfo: &str) -> String {
    let name = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or("unknown", |(_, name)| name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_processor_names_all() {
        let text = "processor\t: 0\nmodel name\t: A 9 at 2 GHz\nprocessor\t: 1\nmodel name\t: B\n";
        assert_eq!(processor(text), "A 9 at 2 GHz");
        assert_eq!(processor(""), "unknown");
    }
}
