//! Patches and views are equal.

use crate::outcome::Case;
use anyhow::Result;
use common::cmd;
use common::paths::Paths;
use std::process::Command;

/// Asks our tool `series`, through the front that builds it.
pub fn run(paths: &Paths) -> Result<Vec<Case>> {
    let mut command = Command::new("bash");
    command.arg(paths.repo.join("tools/bootstrap")).args(["--inside", "series", "check-sync"]);
    let result = cmd::collect(&mut command)?;
    let text = String::from_utf8_lossy(&result.stdout) + String::from_utf8_lossy(&result.stderr);
    let name = "patches and views";
    Ok(vec![if result.status.success() { Case::passed(name) } else { Case::failed(name, cmd::tail(&text, 8)) }])
}
