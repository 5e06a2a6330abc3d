//! The views: files that the series adds, byte for byte, where people read them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};

use crate::base::Base;
use crate::chain::{self, Track};
use crate::project::Project;

/// One file that the series adds.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// Path in the kernel tree.
    pub kernel: String,
    pub blob: String,
    pub executable: bool,
}

/// View path to view, in the repository's terms.
pub type Views = BTreeMap<String, View>;

/// The views that a series with these tracks must have.
pub fn expected(base: &Base, tracks: &BTreeMap<String, Track>) -> Result<Views> {
    tracks
        .iter()
        .filter(|(_, track)| track.is_added())
        .map(|(kernel, track)| Ok((base.view_of(kernel)?, view(kernel, track))))
        .collect()
}

fn view(kernel: &str, track: &Track) -> View {
    View { kernel: kernel.to_owned(), blob: track.last.clone(), executable: track.executable }
}

/// Every file in the view folders.
pub fn present(project: &Project, base: &Base) -> Result<BTreeSet<String>> {
    let mut files = BTreeSet::new();
    for folder in &base.view_folders {
        collect(project.root(), &project.path(folder), &mut files)?;
    }
    Ok(files)
}

fn collect(root: &Path, folder: &Path, files: &mut BTreeSet<String>) -> Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            collect(root, &entry.path(), files)?;
        } else {
            files.insert(entry.path().strip_prefix(root)?.to_string_lossy().into_owned());
        }
    }
    Ok(())
}

/// Whether the file at `path` is the view, byte for byte.
pub fn is_exact(path: &Path, view: &View) -> Result<bool> {
    Ok(chain::blob_id_of(path)? == view.blob)
}

/// Whether anyone may execute the file.
pub fn is_executable(path: &Path) -> Result<bool> {
    Ok(fs::metadata(path)?.permissions().mode() & 0o111 != 0)
}

/// Writes a view; a file that is right already keeps its time.
pub fn write(path: &Path, bytes: &[u8], executable: bool) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    write_if_changed(path, bytes)?;
    if is_executable(path)? != executable {
        let mode = if executable { 0o755 } else { 0o644 };
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    }
    Ok(())
}

/// Writes a file unless it holds these bytes already.
pub fn write_if_changed(path: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// Removes a view and the folders that it leaves empty.
pub fn remove(project: &Project, view: &str) -> Result<()> {
    let path = project.path(view);
    fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
    for folder in path.ancestors().skip(1).take_while(|folder| *folder != project.root()) {
        if fs::remove_dir(folder).is_err() {
            break;
        }
    }
    Ok(())
}
