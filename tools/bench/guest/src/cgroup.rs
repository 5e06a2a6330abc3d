// SPDX-License-Identifier: GPL-2.0

//! Memory that the kernel holds for this process, as the memory controller counts it.

use crate::kernel::find_counter;
use anyhow::{Context, Result, anyhow};
use std::fs;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

const FOLDER: &str = "/sys/fs/cgroup/refbench";
/// The kernel sums up small changes every two seconds; a guest that counts instructions skips the time.
const SUMMED_UP: Duration = Duration::from_secs(5);

/// A memory cgroup that this process is in.
pub struct Cgroup {
    folder: PathBuf,
}

impl Cgroup {
    /// Makes the group unless it is there, and moves this process into it.
    pub fn enter() -> Result<Self> {
        let folder = PathBuf::from(FOLDER);
        fs::create_dir_all(&folder).with_context(|| format!("{FOLDER} cannot be made: mount cgroup2 there"))?;
        fs::write(folder.join("cgroup.procs"), std::process::id().to_string())
            .with_context(|| format!("{FOLDER} takes no process"))?;
        Ok(Self { folder })
    }

    /// Kernel memory that is charged to the group, in bytes.
    pub fn kernel(&self) -> Result<f64> {
        sleep(SUMMED_UP);
        let path = self.folder.join("memory.stat");
        let text = fs::read_to_string(&path)
            .with_context(|| format!("{} cannot be read: switch the memory controller on", path.display()))?;
        find_counter(&text, "kernel").ok_or_else(|| anyhow!("{} has no `kernel`", path.display()))
    }
}
