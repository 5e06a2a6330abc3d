//! A second work tree without files: enough to rewrite commits, or to ask what a commit holds.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use common::cmd;

use crate::git::Git;

/// The work tree; it goes when this is dropped.
pub struct Scratch<'a> {
    owner: &'a Git,
    folder: tempfile::TempDir,
}

impl<'a> Scratch<'a> {
    /// Stands on `commit`, detached.
    pub fn new(owner: &'a Git, commit: &str) -> Result<Self> {
        let scratch = Self { owner, folder: tempfile::tempdir()? };
        let mut command = owner.command(&["worktree", "add", "--quiet", "--no-checkout", "--detach"]);
        cmd::run(command.arg(scratch.dir()).arg(commit))?;
        let sparse = scratch.dir().join(scratch.run(&["rev-parse", "--git-path", "info/sparse-checkout"])?);
        fs::create_dir_all(sparse.parent().context("git names no folder for its sparse checkout")?)?;
        fs::write(sparse, "/no-file-at-all\n")?;
        scratch.run(&["read-tree", "-m", "-u", "HEAD"])?;
        Ok(scratch)
    }

    pub fn dir(&self) -> PathBuf {
        self.folder.path().join("scratch")
    }

    /// Runs git here.
    pub fn run(&self, args: &[&str]) -> Result<String> {
        let settings = ["-c", "core.sparseCheckout=true", "-c", "core.sparseCheckoutCone=false"];
        cmd::output(Git::new(&self.dir()).command(&[&settings, args].concat()).env("GIT_SEQUENCE_EDITOR", ":"))
    }
}

impl Drop for Scratch<'_> {
    fn drop(&mut self) {
        let mut command = self.owner.command(&["worktree", "remove", "--force"]);
        // A work tree that cannot be removed vanishes from git's list when its folder does.
        let _ = cmd::run(command.arg(self.dir()));
    }
}
