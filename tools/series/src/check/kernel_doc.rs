//! `scripts/kernel-doc -none` on every C file that the series touches; what the base complains of already is left out.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::{Subject, text_of};
use crate::diag::{self, Complaint};
use crate::views;

pub fn run(subject: &Subject) -> Result<Vec<String>> {
    let files: Vec<&str> =
        subject.files(&[".c", ".h"]).into_iter().filter(|path| !path.starts_with("tools/")).collect();
    let old = complaints(subject, &subject.base, &files)?;
    let new = complaints(subject, &subject.tip, &files)?;
    Ok(diag::added(&old, &new))
}

/// The files as they are in a commit, so that nothing needs to be checked out.
fn complaints(subject: &Subject, commit: &str, files: &[&str]) -> Result<Vec<Complaint>> {
    let folder = tempfile::tempdir()?;
    let mut there = Vec::new();
    for file in files {
        let name = format!("{commit}:{file}");
        if subject.git.succeeds(&["cat-file", "-e", &name])? {
            views::write(&folder.path().join(file), &subject.git.bytes(&["cat-file", "blob", &name])?, false)?;
            there.push(*file);
        }
    }
    if there.is_empty() {
        return Ok(Vec::new());
    }
    let (clean, text) = text_of(&mut kernel_doc(subject.git.dir(), folder.path(), &there))?;
    let found = diag::find(&text, folder.path());
    if !clean && found.is_empty() {
        anyhow::bail!("kernel-doc fails: {}", text.trim_end());
    }
    Ok(found)
}

fn kernel_doc(tree: &Path, folder: &Path, files: &[&str]) -> Command {
    let mut command = Command::new("python3");
    command.env("PYTHONDONTWRITEBYTECODE", "1").current_dir(folder);
    command.arg(tree.join("scripts/kernel-doc")).arg("-none").args(files);
    command
}
