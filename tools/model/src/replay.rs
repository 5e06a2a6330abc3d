// SPDX-License-Identifier: GPL-2.0

//! Sequences in files.

use crate::ops::Sequence;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// Reads one.
pub fn load(path: &Path) -> Result<Sequence> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} holds no sequence", path.display()))
}

/// Saves one in a folder, and gives the file.
pub fn save(folder: &Path, name: &str, sequence: &Sequence) -> Result<PathBuf> {
    let path = folder.join(format!("{name}.json"));
    let text = serde_json::to_string_pretty(sequence)?;
    fs::write(&path, text + "\n").with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator;

    #[test]
    fn what_is_saved_can_be_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let sequence = generator::sequence(3, 300);
        let path = save(folder.path(), "seed-3", &sequence).unwrap();
        assert_eq!(load(&path).unwrap(), sequence);
        assert!(load(Path::new("/no/such/file")).is_err());
    }
}
