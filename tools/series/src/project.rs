//! Where the parts of the repository are.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use common::paths::Paths;

/// The folder that holds `patches/`, the views and `b4.toml`.
#[derive(Clone, Debug)]
pub struct Project {
    root: PathBuf,
}

impl Project {
    /// Takes `root`, or else the repository around the current folder.
    pub fn find(root: Option<PathBuf>) -> Result<Self> {
        let root = match root {
            Some(root) => root,
            None => Paths::discover()?.repo,
        };
        if !root.join("patches/base.toml").is_file() {
            bail!("{} has no patches/base.toml: name the repository's top folder", root.display());
        }
        Ok(Self { root: root.canonicalize()? })
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A path inside the repository, given with slashes.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    pub fn patches(&self) -> PathBuf {
        self.path("patches")
    }

    /// Reads a text file of the repository.
    pub fn read(&self, relative: &str) -> Result<String> {
        let path = self.path(relative);
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    }
}
