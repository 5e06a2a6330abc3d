//! `series fold`: edits of views become part of the commits that made the files.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::base::Base;
use crate::chain;
use crate::export::{self, Range};
use crate::list;
use crate::project::Project;
use crate::scratch::Scratch;
use crate::views::{self, View};

/// Takes every edited view into the tree; gives how many there were.
pub fn fold(project: &Project, range: &Range) -> Result<usize> {
    let edits = edits(project)?;
    if edits.is_empty() {
        return Ok(0);
    }
    export::refuse_outdated(project, range)?;
    refuse_unfit_tree(range, &edits)?;
    let scratch = Scratch::new(range.git, range.tip)?;
    for (path, view) in &edits {
        fixup(&scratch, range, path, view)?;
    }
    let tip = autosquash(&scratch, range.base)?;
    move_tip(range, &tip)?;
    Ok(edits.len())
}

/// Edited views: where they are and what they are views of.
fn edits(project: &Project) -> Result<Vec<(PathBuf, View)>> {
    let base = Base::load(project)?;
    let (tracks, _) = chain::follow(&list::load(project)?);
    let expected = views::expected(&base, &tracks)?;
    let present = views::present(project, &base)?;
    if let Some(stray) = present.iter().find(|path| !expected.contains_key(*path)) {
        bail!("{stray} is a view of nothing yet: commit it in the tree and run `make export`");
    }
    if let Some(missing) = expected.keys().find(|path| !present.contains(*path)) {
        bail!("{missing} is gone: remove its file from the series in the tree, or bring it back with `make export`");
    }
    let mut edits = Vec::new();
    for (path, view) in expected {
        let path = project.path(&path);
        if !views::is_exact(&path, &view)? {
            edits.push((path, view));
        }
    }
    Ok(edits)
}

fn refuse_unfit_tree(range: &Range, edits: &[(PathBuf, View)]) -> Result<()> {
    let dir = range.git.dir().display();
    range.git.commit(range.base)?;
    range.git.commit(range.tip)?;
    if !range.git.changes()?.is_empty() {
        bail!("{dir} has changes that are not committed: commit them or undo them first");
    }
    for (path, view) in edits {
        let there = range.git.run(&["rev-parse", "--verify", "--quiet", &format!("{}:{}", range.tip, view.kernel)]);
        if there.ok().as_deref() != Some(view.blob.as_str()) {
            bail!(
                "{} was changed in {dir} and, differently, in its view {}: commit the view's edit in the tree by hand, then `series export --discard-views`",
                view.kernel,
                path.display()
            );
        }
    }
    Ok(())
}

/// Commits one edit as a fixup of the commit that touched the file last.
fn fixup(scratch: &Scratch, range: &Range, file: &Path, view: &View) -> Result<()> {
    let commits = format!("{}..{}", range.base, range.tip);
    let target = scratch.run(&["log", "--max-count=1", "--format=%H", &commits, "--", &view.kernel])?;
    let blob = scratch.run(&["hash-object", "-w", "--no-filters", &file.to_string_lossy()])?;
    let mode = if view.executable { "100755" } else { "100644" };
    scratch.run(&["update-index", "--cacheinfo", &format!("{mode},{blob},{}", view.kernel)])?;
    scratch.run(&["commit", "--quiet", "--no-verify", &format!("--fixup={target}")]).map(drop)
}

fn autosquash(scratch: &Scratch, base: &str) -> Result<String> {
    // The entries that fixup() made are not yet marked as absent from the work tree.
    scratch.run(&["reset", "--quiet", "--hard", "HEAD"])?;
    scratch.run(&["rebase", "--quiet", "--interactive", "--autosquash", base])?;
    scratch.run(&["rev-parse", "HEAD"])
}

/// The branch follows; in the work tree only the edited files are written, so a build stays incremental.
fn move_tip(range: &Range, tip: &str) -> Result<()> {
    if range.git.head()? == range.tip {
        return range.git.run(&["reset", "--quiet", "--keep", tip]).map(drop);
    }
    range.git.run(&["branch", "--quiet", "--force", range.tip, tip]).map(drop)
}
