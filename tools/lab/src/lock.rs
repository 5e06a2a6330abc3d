//! Keeps two runs from working on one folder at a time.

use anyhow::{Context, Result};
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::path::Path;

/// Waits until no other run holds the lock of this folder; it is held until the file is dropped.
pub fn hold(folder: &Path) -> Result<File> {
    let path = folder.join("lock");
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        eprintln!("waiting for another run to end");
        flock(&file, FlockOperation::LockExclusive)?;
    }
    Ok(file)
}
