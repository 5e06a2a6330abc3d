//! The blobs that the series leaves behind: each patch must start from what the one before it left.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use sha1::{Digest, Sha1};

use crate::patch::{Change, NO_BLOB, Patch};

/// One file over the whole series.
#[derive(Debug)]
pub struct Track {
    /// Blob in the base, or [`NO_BLOB`].
    pub first: String,
    /// Blob after the last patch, or [`NO_BLOB`].
    pub last: String,
    pub executable: bool,
    /// File name of the patch that touched it last.
    pub patch: String,
}

impl Track {
    pub fn is_added(&self) -> bool {
        self.first == NO_BLOB && self.last != NO_BLOB
    }
}

/// A patch that does not start where the one before it ended.
#[derive(Debug, PartialEq)]
pub struct Break {
    pub path: String,
    pub before: String,
    pub after: String,
}

/// Follows every file through the series.
pub fn follow(patches: &[Patch]) -> (BTreeMap<String, Track>, Vec<Break>) {
    let mut tracks = BTreeMap::<String, Track>::new();
    let mut breaks = Vec::new();
    for patch in patches {
        for change in &patch.changes {
            match tracks.get_mut(&change.path) {
                Some(track) => breaks.extend(extend(track, patch, change)),
                None => {
                    tracks.insert(change.path.clone(), start(patch, change));
                }
            }
        }
    }
    (tracks, breaks)
}

fn start(patch: &Patch, change: &Change) -> Track {
    Track {
        first: change.old.clone(),
        last: change.new.clone(),
        executable: change.mode.as_deref() == Some("100755"),
        patch: patch.file.clone(),
    }
}

fn extend(track: &mut Track, patch: &Patch, change: &Change) -> Option<Break> {
    if let Some(mode) = &change.mode {
        track.executable = mode == "100755";
    }
    let before = std::mem::replace(&mut track.patch, patch.file.clone());
    // A change of mode alone has no index line.
    if change.new.is_empty() {
        return None;
    }
    if track.last.is_empty() {
        (track.first, track.last) = (change.old.clone(), change.new.clone());
        return None;
    }
    let last = std::mem::replace(&mut track.last, change.new.clone());
    (last != change.old).then(|| Break { path: change.path.clone(), before, after: patch.file.clone() })
}

/// The id that git gives these bytes.
pub fn blob_id(bytes: &[u8]) -> String {
    let mut hash = Sha1::new();
    hash.update(format!("blob {}\0", bytes.len()));
    hash.update(bytes);
    hex::encode(hash.finalize())
}

pub fn blob_id_of(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(blob_id(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patch(file: &str, old: &str, new: &str) -> Patch {
        let change = Change { path: "x".into(), old: old.into(), new: new.into(), mode: None };
        Patch { file: file.into(), subject: String::new(), message: Vec::new(), changes: vec![change] }
    }

    #[test]
    fn blob_ids_are_those_of_git() {
        assert_eq!(blob_id(b""), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
        assert_eq!(blob_id(b"hello\n"), "ce013625030ba8dba906f756967f9e9ca394464a");
    }

    #[test]
    fn follows_a_file_to_its_end() {
        let (tracks, breaks) = follow(&[patch("1", NO_BLOB, "a"), patch("2", "a", "b")]);
        assert!(breaks.is_empty());
        assert!(tracks["x"].is_added());
        assert_eq!((tracks["x"].last.as_str(), tracks["x"].patch.as_str()), ("b", "2"));
    }

    #[test]
    fn finds_the_broken_link() {
        let (_, breaks) = follow(&[patch("1", "a", "b"), patch("2", "c", "d"), patch("3", "d", "e")]);
        assert_eq!(breaks, [Break { path: "x".into(), before: "1".into(), after: "2".into() }]);
    }

    #[test]
    fn added_and_removed_again_is_not_added() {
        let (tracks, _) = follow(&[patch("1", NO_BLOB, "a"), patch("2", "a", NO_BLOB)]);
        assert!(!tracks["x"].is_added());
    }
}
