//! `series export`: commits of a kernel tree become `patches/` and the views.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::base::Base;
use crate::chain::{self, Track};
use crate::git::Git;
use crate::list::{self, Sections};
use crate::patch::{NO_BLOB, Patch};
use crate::project::Project;
use crate::views::{self, Views};

/// The commits to export.
pub struct Range<'a> {
    pub git: &'a Git,
    pub base: &'a str,
    pub tip: &'a str,
}

/// Everything that a settings file could change is named, so that the same commits give the same bytes.
const FORMAT: &[&str] = &[
    "format-patch",
    "--quiet",
    "--no-numbered",
    "--zero-commit",
    "--no-signature",
    "--no-signoff",
    "--no-thread",
    "--no-attach",
    "--no-to",
    "--no-cc",
    "--no-base",
    "--no-notes",
    "--no-encode-email-headers",
    "--no-cover-letter",
    "--subject-prefix=PATCH",
    "--full-index",
    "--histogram",
    "--no-renames",
    "--no-ext-diff",
    "--no-textconv",
    "--unified=3",
    "--inter-hunk-context=0",
    "--indent-heuristic",
    "--src-prefix=a/",
    "--dst-prefix=b/",
];

/// Endings of what is written by hand.
const SOURCES: &[&str] = &[".c", ".h", ".rs", ".rst", ".sh", "Kconfig", "Makefile"];

/// Writes patches and views. Nothing is changed when something is wrong with the commits or a view would be lost.
pub fn export(project: &Project, range: &Range, discard_views: bool) -> Result<String> {
    let base = Base::load(project)?;
    check_range(range)?;
    refuse_outdated(project, range)?;
    note_uncommitted(range, &base)?;
    let folder = tempfile::tempdir()?;
    let patches = format_patches(range, folder.path())?;
    let list = Sections::load(project)?.render(&patches)?;
    let (tracks, _) = chain::follow(&patches);
    let views = views::expected(&base, &tracks)?;
    if !discard_views {
        refuse_lost_edits(project, &base, &views)?;
    }
    let blobs = base_blobs(range, &tracks)?;
    write_patches(project, folder.path(), &patches)?;
    views::write_if_changed(&project.path("patches/series"), list.as_bytes())?;
    views::write_if_changed(&project.path("patches/base.blobs"), blobs.as_bytes())?;
    write_views(project, &base, range, &views)?;
    Ok(format!("exported {} patches and {} views", patches.len(), views.len()))
}

/// A tree that never had what `patches/` says would take it back.
pub fn refuse_outdated(project: &Project, range: &Range) -> Result<()> {
    // Without patches that can be read there is nothing to lose.
    let Ok(patches) = list::load(project) else { return Ok(()) };
    let (tracks, _) = chain::follow(&patches);
    for (path, track) in tracks.iter().filter(|(_, track)| track.last != NO_BLOB) {
        if !range.git.succeeds(&["cat-file", "-e", &track.last])? {
            bail!(
                "patches/ has a {path} that {} never had: `make tree` brings the tree up to date; work of its own in the tree has to be exported with the patches that it was made of",
                range.git.dir().display()
            );
        }
    }
    Ok(())
}

fn check_range(range: &Range) -> Result<()> {
    let Range { git, base, tip } = *range;
    git.commit(base)?;
    git.commit(tip)?;
    if !git.succeeds(&["merge-base", "--is-ancestor", base, tip])? {
        bail!("{tip} does not contain {base}: rebase it onto {base} first");
    }
    let commits = format!("{base}..{tip}");
    if git.run(&["rev-list", "--count", &commits])? == "0" {
        bail!("there is no commit in {commits}: commit the series on {tip} first");
    }
    let merges = git.run(&["rev-list", "--merges", "--max-count=1", &commits])?;
    if !merges.is_empty() {
        bail!("{commits} has the merge {merges}: rebase it into a line of commits first");
    }
    let pending = git.run(&["log", "--format=%s", "--grep=^\\(fixup\\|squash\\|amend\\)! ", &commits])?;
    if let Some(subject) = pending.lines().next() {
        bail!("{commits} still has \"{subject}\": run `git rebase --interactive --autosquash {base}` first");
    }
    Ok(())
}

/// Debian's tree ignores whatever is new in it, so `git status` does not show a file that was forgotten.
fn note_uncommitted(range: &Range, base: &Base) -> Result<()> {
    let mut args = vec!["ls-files", "--others", "--"];
    args.extend(base.kernel_prefixes());
    for file in range.git.run(&args)?.lines().filter(|file| SOURCES.iter().any(|ending| file.ends_with(ending))) {
        eprintln!(
            "note: {file} is in the tree, but in no commit: `git add --force {file}` and commit it, if it belongs to the series"
        );
    }
    Ok(())
}

fn format_patches(range: &Range, folder: &Path) -> Result<Vec<Patch>> {
    let mut command = range.git.command(FORMAT);
    command.arg("--output-directory").arg(folder).arg(format!("{}..{}", range.base, range.tip));
    common::cmd::run(&mut command)?;
    list::patch_files(folder)?.iter().map(|name| Patch::read(&folder.join(name))).collect()
}

/// A view is safe to replace when it is what the patches of now or the new ones say.
fn refuse_lost_edits(project: &Project, base: &Base, new: &Views) -> Result<()> {
    let old = match list::load(project) {
        Ok(patches) => views::expected(base, &chain::follow(&patches).0)?,
        Err(_) => Views::new(),
    };
    for file in views::present(project, base)? {
        let blob = chain::blob_id_of(&project.path(&file))?;
        let known = [&old, new].iter().any(|views| views.get(&file).is_some_and(|view| view.blob == blob));
        if !known {
            bail!(
                "{file} is not what patches/ says and would be lost: `make fold` takes the edit into the tree, `series export --discard-views` throws it away"
            );
        }
    }
    Ok(())
}

/// Path and blob in the base of every upstream file that the series touches.
fn base_blobs(range: &Range, tracks: &BTreeMap<String, Track>) -> Result<String> {
    let touched: Vec<&str> =
        tracks.iter().filter(|(_, track)| track.first != NO_BLOB).map(|(path, _)| path.as_str()).collect();
    if touched.is_empty() {
        return Ok(String::new());
    }
    let mut args = vec!["ls-tree", "--full-tree", range.base, "--"];
    args.extend(&touched);
    let mut text = String::new();
    for line in range.git.run(&args)?.lines() {
        let (head, path) = line.split_once('\t').with_context(|| format!("git ls-tree says \"{line}\""))?;
        let blob = head.rsplit(' ').next().unwrap_or_default();
        writeln!(text, "{blob} {path}")?;
    }
    Ok(text)
}

fn write_patches(project: &Project, from: &Path, patches: &[Patch]) -> Result<()> {
    let folder = project.patches();
    for name in list::patch_files(&folder)? {
        if !patches.iter().any(|patch| patch.file == name) {
            fs::remove_file(folder.join(name))?;
        }
    }
    for patch in patches {
        views::write_if_changed(&folder.join(&patch.file), &fs::read(from.join(&patch.file))?)?;
    }
    Ok(())
}

fn write_views(project: &Project, base: &Base, range: &Range, views: &Views) -> Result<()> {
    for stale in views::present(project, base)?.iter().filter(|file| !views.contains_key(*file)) {
        views::remove(project, stale)?;
    }
    for (path, view) in views {
        let bytes = range.git.bytes(&["cat-file", "blob", &view.blob])?;
        views::write(&project.path(path), &bytes, view.executable)?;
    }
    Ok(())
}
