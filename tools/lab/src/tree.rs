//! The kernel tree of this clone: the base with the series on branch `series`, in step with `patches/`.

use anyhow::{Context, Result, bail};
use common::base::{self, Base};
use common::cmd::{self, git};
use common::paths::Paths;
use common::progress::Step;
use serde::{Deserialize, Serialize};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

/// A tree that is ready to be built.
pub struct Tree {
    /// The working folder.
    pub path: PathBuf,
    /// What the tree holds; `None` while it holds edits that are not committed.
    pub content: Option<String>,
}

/// What the tree was last made from.
#[derive(Deserialize, PartialEq, Serialize)]
struct Made {
    base: String,
    series: String,
    tip: String,
}

/// Makes the tree, or moves it when `patches/` changed. Work in it that `patches/` does not hold is kept: then the
/// tree stays where it is as long as `patches/` does, and is refused when both changed.
///
/// A tree of the user's own is taken as it is.
pub fn ensure(paths: &Paths, discard: bool) -> Result<Tree> {
    if let Some(path) = &paths.kdir {
        return Ok(Tree { path: path.clone(), content: None });
    }
    let base = base::import(paths, None)?;
    let path = paths.tree();
    let note = paths.state.join("tree.toml");
    if !path.join(".git").exists() {
        let step = Step::begin("making the kernel tree", None);
        base::clone(&base, &path)?;
        move_to(&path, &base.commit)?;
        step.done("");
    }
    let series = fingerprint(&paths.patches())?;
    let made = read(&note);
    let stale = made.as_ref().is_none_or(|made| made.base != base.commit || made.series != series);
    if stale || discard {
        let made = apply(paths, &base, &path, made, discard, series)?;
        fs::write(&note, toml::to_string(&made)?)?;
    }
    let content = if edited(&path)? { None } else { Some(head(&path)?) };
    Ok(Tree { path, content })
}

/// Makes the tree of the base alone, which nobody works in.
pub fn unpatched(paths: &Paths) -> Result<Tree> {
    let base = base::import(paths, None)?;
    let path = paths.unpatched_tree();
    if !path.join(".git").exists() {
        let step = Step::begin("making the kernel tree without the series", None);
        base::clone(&base, &path)?;
        cmd::run(git(&path).args(["checkout", "-q", "--detach"]))?;
        step.done("");
    }
    fetch(&base, &path)?;
    cmd::run(git(&path).args(["checkout", "-q", "--force", "--detach", &base.commit]))?;
    Ok(Tree { path, content: Some(base.commit) })
}

fn apply(paths: &Paths, base: &Base, path: &Path, made: Option<Made>, discard: bool, series: String) -> Result<Made> {
    let step = Step::begin(format!("applying the series to Linux {}", base.version), None);
    fetch(base, path)?;
    let tip = base::apply(path, &base.commit, &paths.patches())?;
    let mut made_now = Made { base: base.commit.clone(), series, tip };
    let clean = !edited(path)?;
    if clean && same_files(path, &made_now.tip)? {
        made_now.tip = head(path)?;
    } else if discard || clean && made.is_none_or(|made| head(path).is_ok_and(|head| head == made.tip)) {
        move_to(path, &made_now.tip)?;
    } else {
        let shown = paths.shown(path);
        bail!(
            "{} holds work that patches/ does not: `make export` keeps it, `make tree DISCARD=1` drops it",
            shown.display()
        );
    }
    step.done("");
    Ok(made_now)
}

/// Brings in the commit of a base that is newer than the tree.
fn fetch(base: &Base, path: &Path) -> Result<()> {
    cmd::run(git(path).args(["fetch", "-q", "--no-tags"]).arg(&base.git_dir).arg("+base:refs/heads/base"))
}

/// Only files that differ are written, so that a build after it is small.
fn move_to(path: &Path, commit: &str) -> Result<()> {
    cmd::run(git(path).args(["checkout", "-q", "--force", "-B", "series", commit]))
}

fn head(path: &Path) -> Result<String> {
    cmd::output(git(path).args(["rev-parse", "HEAD"]))
}

fn same_files(path: &Path, commit: &str) -> Result<bool> {
    let status = git(path).args(["diff", "--quiet", "HEAD", commit]).status();
    Ok(status.context("git cannot be started")?.success())
}

fn edited(path: &Path) -> Result<bool> {
    Ok(!cmd::output(git(path).args(["status", "--porcelain"]))?.is_empty())
}

fn read(note: &Path) -> Option<Made> {
    toml::from_str(&fs::read_to_string(note).ok()?).ok()
}

/// A change of the order or of any patch gives another fingerprint.
fn fingerprint(patches: &Path) -> Result<String> {
    let mut hasher = DefaultHasher::new();
    for file in base::series(patches)? {
        file.file_name().hash(&mut hasher);
        fs::read(&file)?.hash(&mut hasher);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(names: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in names {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let list: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
        fs::write(folder.path().join("series"), list.join("\n")).unwrap();
        folder
    }

    fn of(names: &[(&str, &str)]) -> String {
        fingerprint(series(names).path()).unwrap()
    }

    #[test]
    fn the_fingerprint_knows_content_and_order() {
        let one = of(&[("a", "1"), ("b", "2")]);
        assert_eq!(one, of(&[("a", "1"), ("b", "2")]));
        assert_ne!(one, of(&[("b", "2"), ("a", "1")]));
        assert_ne!(one, of(&[("a", "1"), ("b", "3")]));
    }
}
