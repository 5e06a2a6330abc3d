//! Runs git in one tree.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use common::cmd;

/// A git work tree.
#[derive(Clone, Debug)]
pub struct Git {
    dir: PathBuf,
    own_settings: bool,
}

impl Git {
    /// A tree of the loop. The user's own settings are kept out, so that the output is the same everywhere.
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), own_settings: false }
    }

    /// A tree that belongs to the user, in which the user's settings count.
    pub fn of_user(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), own_settings: true }
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = if self.own_settings { own(&self.dir) } else { isolated(&self.dir) };
        command.env("LC_ALL", "C").args(args);
        command
    }

    /// The command's standard output, or its complaint as the error.
    pub fn run(&self, args: &[&str]) -> Result<String> {
        cmd::output(&mut self.command(args))
    }

    /// The command's standard output, byte for byte.
    pub fn bytes(&self, args: &[&str]) -> Result<Vec<u8>> {
        let output = cmd::collect(&mut self.command(args))?;
        if !output.status.success() {
            bail!("git {} failed: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim_end());
        }
        Ok(output.stdout)
    }

    pub fn succeeds(&self, args: &[&str]) -> Result<bool> {
        Ok(cmd::collect(&mut self.command(args))?.status.success())
    }

    /// The commit that `reference` names.
    pub fn commit(&self, reference: &str) -> Result<String> {
        let name = format!("{reference}^{{commit}}");
        self.run(&["rev-parse", "--verify", "--quiet", &name]).with_context(|| {
            format!("{} has no commit \"{reference}\": run `make tree`, or name a tree and its commits with --tree, --base and --tip", self.dir.display())
        })
    }

    pub fn is_repository(&self) -> Result<bool> {
        self.succeeds(&["rev-parse", "--git-dir"])
    }

    /// The branch that is checked out, or the commit when there is none.
    pub fn head(&self) -> Result<String> {
        match self.run(&["symbolic-ref", "--quiet", "--short", "HEAD"]) {
            Ok(branch) => Ok(branch),
            Err(_) => self.commit("HEAD"),
        }
    }

    /// Changes to tracked files, one line each; empty when the tree is clean.
    pub fn changes(&self) -> Result<String> {
        self.run(&["status", "--porcelain", "--untracked-files=no"])
    }
}

fn own(dir: &Path) -> Command {
    let mut command = Command::new("git");
    command.arg("-C").arg(dir);
    command
}

fn isolated(dir: &Path) -> Command {
    let mut command = cmd::git(dir);
    command.args(["-c", "core.quotePath=false", "-c", "commit.gpgSign=false"]);
    for role in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{role}_NAME"), "series").env(format!("GIT_{role}_EMAIL"), "series@localhost");
    }
    command
}
