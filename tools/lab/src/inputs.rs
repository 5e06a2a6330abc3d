//! What measured programs read: documents, libraries, tests. They come from package registries.

use anyhow::{Context, Result, bail};
use common::cmd;
use common::paths::Paths;
use std::path::PathBuf;
use std::process::Command;

/// Who needs the inputs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Whose {
    /// The demonstration.
    Demonstration,
    /// The benchmark's real programs, which also need those of the demonstration.
    Benchmark,
}

/// Gets what is missing, and gives the folder.
pub fn fetch(paths: &Paths, whose: Whose) -> Result<PathBuf> {
    let folder = paths.cache.join("demo-inputs");
    let (last, word) = match whose {
        Whose::Demonstration => ("document.pdf", None),
        Whose::Benchmark => ("python.from", Some("heap")),
    };
    if !folder.join(last).exists() {
        let mut update = Command::new("apt-get");
        update.args(["-qq", "-o", "Acquire::Check-Valid-Until=false", "update"]);
        cmd::run(&mut update)?;
    }
    let mut command = Command::new("sh");
    command.arg(paths.repo.join("tools/demo/fetch.sh")).arg(&folder).args(word);
    let status = command.status();
    if !status.with_context(|| cmd::cannot_start(&command))?.success() {
        bail!("inputs are missing: see the line above");
    }
    Ok(folder)
}
