//! `series am`: puts the series on a kernel tree of the user's own, or leaves that tree as it was.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use common::cmd;
use common::progress::Step;

use crate::base::Base;
use crate::git::Git;
use crate::list;
use crate::project::Project;

/// Applies the series with plain `git am` on a new branch; gives a sentence on what was done.
pub fn am(project: &Project, dir: &Path, branch: &str) -> Result<String> {
    let git = Git::of_user(dir);
    let patches = patch_files(project)?;
    refuse_unfit_tree(&git, branch)?;
    let moved = moved_files(project, &git)?;
    let before = git.head()?;
    git.run(&["switch", "--quiet", "--create", branch])?;
    if let Err(refusal) = apply(&git, &patches) {
        restore(&git, &before, branch)?;
        bail!("{}", explain(project, dir, &refusal, &moved)?);
    }
    Ok(format!("{} patches are on the branch {branch} of {}", patches.len(), dir.display()))
}

fn patch_files(project: &Project) -> Result<Vec<PathBuf>> {
    let text = project.read("patches/series")?;
    Ok(list::names(&text).iter().map(|name| project.patches().join(name)).collect())
}

fn refuse_unfit_tree(git: &Git, branch: &str) -> Result<()> {
    let dir = git.dir().display();
    if !git.is_repository()? {
        bail!("{dir} is not a git repository: give KDIR=<a clone of Linux>");
    }
    for state in ["rebase-apply", "rebase-merge"] {
        let path = git.run(&["rev-parse", "--path-format=absolute", "--git-path", state])?;
        if Path::new(&path).exists() {
            bail!("{dir} is in the middle of a `git am` or `git rebase`: finish it, or end it with --abort");
        }
    }
    if !git.changes()?.is_empty() {
        bail!("{dir} has changes that are not committed: commit them or `git stash` them first");
    }
    if git.succeeds(&["show-ref", "--verify", "--quiet", &format!("refs/heads/{branch}")])? {
        bail!("{dir} has a branch {branch} already: delete it, or name another with --branch");
    }
    Ok(())
}

/// Upstream files of the series that are not in this tree as they are in the base.
fn moved_files(project: &Project, git: &Git) -> Result<Vec<String>> {
    let text = project.read("patches/base.blobs")?;
    let wanted: Vec<(&str, &str)> = text.lines().filter_map(|line| line.split_once(' ')).collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let mut args = vec!["ls-tree", "--full-tree", "--format=%(path) %(objectname)", "HEAD", "--"];
    args.extend(wanted.iter().map(|(_, path)| *path));
    let listing = git.run(&args)?;
    let there: BTreeMap<&str, &str> = listing.lines().filter_map(|line| line.rsplit_once(' ')).collect();
    Ok(wanted.iter().filter(|(blob, path)| there.get(path) != Some(blob)).map(|(_, path)| (*path).to_owned()).collect())
}

fn apply(git: &Git, patches: &[PathBuf]) -> Result<()> {
    let step = Step::begin(format!("git am of {} patches", patches.len()), None);
    let output = cmd::collect(git.command(&["am", "--no-3way"]).args(patches))?;
    if output.status.success() {
        step.done("applied");
        return Ok(());
    }
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let told =
        text.lines().filter(|line| ["Patch failed", "error:", "fatal:"].iter().any(|start| line.starts_with(start)));
    bail!("{}", told.collect::<Vec<_>>().join("\n  "));
}

fn restore(git: &Git, before: &str, branch: &str) -> Result<()> {
    // Without an am in progress there is nothing to abort.
    git.succeeds(&["am", "--abort"])?;
    match git.succeeds(&["show-ref", "--verify", "--quiet", &format!("refs/heads/{before}")])? {
        true => git.run(&["switch", "--quiet", before])?,
        false => git.run(&["switch", "--quiet", "--detach", before])?,
    };
    git.run(&["branch", "--quiet", "-D", branch]).map(drop)
}

fn explain(project: &Project, dir: &Path, refusal: &anyhow::Error, moved: &[String]) -> Result<String> {
    let base = Base::load(project)?.base;
    let differs = match moved {
        [] => {
            format!("every upstream file that it touches is as in {}, so it is not the base that stops it", base.name)
        }
        files => format!("these files differ from {}: {}", base.name, files.join(", ")),
    };
    Ok(format!(
        "the series is for {} (patches/base.toml) and does not apply to {}, which is left as it was: take that base, or try `git am -3 {}/[0-9]*.patch`, which merges where the clone holds the base's files\n  {differs}\n  {refusal}",
        base.name,
        dir.display(),
        project.patches().display()
    ))
}
