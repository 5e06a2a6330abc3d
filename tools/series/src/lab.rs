//! Calls `lab` on a kernel tree of its own, through the front that builds it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use common::cmd;
use common::paths::{Paths, make_folder};

use crate::project::Project;

/// A second state folder: its tree may be edited and built without touching the one that the user works in.
pub struct Lab {
    bootstrap: PathBuf,
    state: PathBuf,
    /// The folder as the user sees it.
    shown: PathBuf,
}

impl Lab {
    /// Makes the tree in the state folder `name`, exactly as `patches/` says.
    pub fn new(project: &Project, name: &str) -> Result<Self> {
        let paths = Paths::discover()?;
        let state = make_folder(paths.state.join(name))?;
        let shown = paths.shown(&state);
        let lab = Self { bootstrap: project.path("tools/bootstrap"), state, shown };
        if !lab.succeeds(&["tree", "--discard"])? {
            bail!("`lab tree` fails: mend what it says");
        }
        Ok(lab)
    }

    pub fn tree(&self) -> PathBuf {
        self.state.join("linux")
    }

    pub fn state(&self) -> &Path {
        &self.state
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("bash");
        command.arg(&self.bootstrap).args(["--inside", "lab"]).args(args);
        command.env("REFPAGE_STATE", &self.state).env("REFPAGE_HOST_STATE", &self.shown).stdin(Stdio::null());
        command
    }

    /// Runs it with its messages shown.
    pub fn succeeds(&self, args: &[&str]) -> Result<bool> {
        let mut command = self.command(args);
        command.stdout(std::io::stderr());
        Ok(command.status().with_context(|| cmd::cannot_start(&command))?.success())
    }

    /// Runs it and gives whether it was content, and what it printed.
    pub fn output(&self, args: &[&str]) -> Result<(bool, String)> {
        let mut command = self.command(args);
        command.stderr(Stdio::inherit());
        let output = command.output().with_context(|| cmd::cannot_start(&command))?;
        Ok((output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned()))
    }
}
