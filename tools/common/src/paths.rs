//! Where things lie, inside the root file system and outside of it.

use crate::arch::Arch;
use anyhow::{Context, Result, bail};
use std::env;
use std::path::{Path, PathBuf};

/// The folders that every tool works with.
#[derive(Clone, Debug)]
pub struct Paths {
    /// The repository.
    pub repo: PathBuf,
    /// The cache that all clones share.
    pub cache: PathBuf,
    /// The part of the cache that belongs to this clone, and to a kernel tree of the user's own.
    pub state: PathBuf,
    /// What kernels are built for.
    pub arch: Arch,
    /// A kernel tree of the user's own, which has the series.
    pub kdir: Option<PathBuf>,
    outside: Vec<(PathBuf, PathBuf)>,
}

impl Paths {
    /// Takes the paths that `tools/bootstrap` set; without them, looks for the repository around the current folder.
    pub fn discover() -> Result<Self> {
        let repo = match folder("REFPAGE_SRC") {
            Some(repo) => repo,
            None => repository(&env::current_dir()?)?,
        };
        let cache = match folder("REFPAGE_CACHE") {
            Some(cache) => cache,
            None => user_cache()?,
        };
        let state = folder("REFPAGE_STATE").unwrap_or_else(|| cache.join("outside"));
        let kdir = folder("REFPAGE_KDIR");
        let outside = [("STATE", Some(&state)), ("CACHE", Some(&cache)), ("SRC", Some(&repo)), ("KDIR", kdir.as_ref())]
            .into_iter()
            .filter_map(|(name, inner)| Some((inner?.clone(), folder(&format!("REFPAGE_HOST_{name}"))?)))
            .collect();
        Ok(Self { repo, cache, state, arch: Arch::discover()?, kdir, outside })
    }

    /// The kernel tree of this clone.
    pub fn tree(&self) -> PathBuf {
        self.state.join("linux")
    }

    /// A kernel tree of this clone without the series.
    pub fn unpatched_tree(&self) -> PathBuf {
        self.state.join("linux-unpatched")
    }

    /// The folder of all builds of the kernel.
    pub fn builds(&self) -> PathBuf {
        self.state.join("build")
    }

    /// The folder of the series.
    pub fn patches(&self) -> PathBuf {
        self.repo.join("patches")
    }

    /// The folder for logs, made when missing.
    pub fn logs(&self) -> Result<PathBuf> {
        make_folder(self.state.join("logs"))
    }

    /// The path as the user sees it from outside the root file system.
    pub fn shown(&self, path: &Path) -> PathBuf {
        self.outside
            .iter()
            .find_map(|(inner, outer)| path.strip_prefix(inner).ok().map(|rest| outer.join(rest)))
            .unwrap_or_else(|| path.to_owned())
    }
}

/// Makes a folder and those above it.
pub fn make_folder(path: PathBuf) -> Result<PathBuf> {
    std::fs::create_dir_all(&path).with_context(|| format!("cannot make the folder {}", path.display()))?;
    Ok(path)
}

fn folder(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn repository(start: &Path) -> Result<PathBuf> {
    match start.ancestors().find(|dir| dir.join("tools/bootstrap").is_file()) {
        Some(dir) => Ok(dir.to_owned()),
        None => bail!("{} is not in a clone of the project: change into one", start.display()),
    }
}

fn user_cache() -> Result<PathBuf> {
    let cache = folder("XDG_CACHE_HOME")
        .or_else(|| folder("HOME").map(|home| home.join(".cache")))
        .context("neither HOME nor XDG_CACHE_HOME is set: set one")?;
    Ok(cache.join("refpage"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_repository_from_a_folder_below() {
        let top = tempfile::tempdir().unwrap();
        let below = make_folder(top.path().join("a/b")).unwrap();
        make_folder(top.path().join("tools")).unwrap();
        std::fs::write(top.path().join("tools/bootstrap"), "").unwrap();
        assert_eq!(repository(&below).unwrap(), top.path());
    }

    #[test]
    fn says_so_where_there_is_no_repository() {
        let error = repository(Path::new("/")).unwrap_err().to_string();
        assert!(error.contains("not in a clone"), "{error}");
    }

    #[test]
    fn shows_the_outer_path() {
        let paths = Paths {
            repo: "/src".into(),
            cache: "/cache".into(),
            state: "/state".into(),
            arch: Arch::X86_64,
            kdir: None,
            outside: vec![("/state".into(), "/home/u/.cache/refpage/clones/1".into())],
        };
        assert_eq!(paths.shown(Path::new("/state/linux")), Path::new("/home/u/.cache/refpage/clones/1/linux"));
        assert_eq!(paths.shown(Path::new("/usr/bin")), Path::new("/usr/bin"));
    }
}
