//! Reads one patch as `git format-patch` writes it: message and, for each file, its blobs.

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};

/// The blob id that git writes for "no file".
pub const NO_BLOB: &str = "0000000000000000000000000000000000000000";

/// One patch of the series.
#[derive(Debug)]
pub struct Patch {
    /// Name of the file in `patches/`.
    pub file: String,
    /// Subject without `[PATCH]`.
    pub subject: String,
    /// The changelog, line by line, without subject and diffstat.
    pub message: Vec<String>,
    pub changes: Vec<Change>,
}

/// What one patch does to one file.
#[derive(Debug, Default, PartialEq)]
pub struct Change {
    pub path: String,
    pub old: String,
    pub new: String,
    /// The mode that the patch gives the file, if it sets one.
    pub mode: Option<String>,
}

impl Patch {
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Self::parse(&file, &String::from_utf8_lossy(&bytes))
            .with_context(|| format!("{file} is not a patch that `series export` writes"))
    }

    pub fn parse(file: &str, text: &str) -> Result<Self> {
        let (head, rest) = text.split_once("\n\n").ok_or_else(|| anyhow!("it has no empty line after the headers"))?;
        // A lone "---" ends the message; without a changelog it follows the headers at once.
        let (message, diff) = match rest.strip_prefix("---\n") {
            Some(diff) => ("", diff),
            None => rest.split_once("\n---\n").ok_or_else(|| anyhow!("it has no \"---\" line after the changelog"))?,
        };
        Ok(Self {
            file: file.to_owned(),
            subject: subject(head)?,
            message: message.lines().map(str::to_owned).collect(),
            changes: changes(diff)?,
        })
    }
}

fn subject(head: &str) -> Result<String> {
    let mut lines = head.lines().skip_while(|line| !line.starts_with("Subject: "));
    let first = lines.next().ok_or_else(|| anyhow!("it has no Subject header"))?;
    let mut subject = first["Subject: ".len()..].to_owned();
    for folded in lines.take_while(|line| line.starts_with(' ')) {
        subject.push_str(folded);
    }
    match subject.strip_prefix("[PATCH] ") {
        Some(plain) => Ok(plain.to_owned()),
        None => bail!("its subject does not start with [PATCH]"),
    }
}

/// Hunk lines start with a space, a sign or a backslash, so a header can be told by its first column.
fn changes(diff: &str) -> Result<Vec<Change>> {
    let mut changes: Vec<Change> = Vec::new();
    for line in diff.lines() {
        if let Some(paths) = line.strip_prefix("diff --git ") {
            changes.push(Change { path: path(paths)?, ..Change::default() });
            continue;
        }
        let Some(change) = changes.last_mut() else { continue };
        if let Some(ids) = line.strip_prefix("index ") {
            (change.old, change.new) = blobs(ids)?;
        } else if let Some(mode) = line.strip_prefix("new file mode ").or_else(|| line.strip_prefix("new mode ")) {
            change.mode = Some(mode.to_owned());
        }
    }
    if changes.is_empty() {
        bail!("it changes no file");
    }
    Ok(changes)
}

/// `a/PATH b/PATH`, without renames, so both halves are one path.
fn path(paths: &str) -> Result<String> {
    let half = paths.len() / 2;
    match (paths.get(2..half), paths.get(half + 3..)) {
        (Some(old), Some(new)) if old == new && paths.starts_with("a/") => Ok(old.to_owned()),
        _ => bail!("it renames a file or has a path that git quotes ({paths})"),
    }
}

fn blobs(ids: &str) -> Result<(String, String)> {
    let ids = ids.split(' ').next().unwrap_or_default();
    match ids.split_once("..") {
        Some((old, new)) if old.len() == NO_BLOB.len() && new.len() == NO_BLOB.len() => {
            Ok((old.to_owned(), new.to_owned()))
        }
        _ => bail!("its index line {ids} is not full (git format-patch --full-index)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "1111111111111111111111111111111111111111";
    const NEW: &str = "2222222222222222222222222222222222222222";

    fn text(message: &str, diff: &str) -> String {
        format!(
            "From {NO_BLOB} Mon Sep 17 00:00:00 2001\nFrom: A <a@b>\nDate: now\nSubject: [PATCH] mm: a subject\n that is folded\n\n{message}---\n x | 1 +\n\n{diff}"
        )
    }

    #[test]
    fn reads_subject_message_and_blobs() {
        let diff = format!(
            "diff --git a/mm/x b/mm/x\nindex {OLD}..{NEW} 100644\n--- a/mm/x\n+++ b/mm/x\n@@ -1 +1 @@\n-index a\n+diff --git a/y b/y\n"
        );
        let patch = Patch::parse("0001-x.patch", &text("Why.\n\nMore.\n", &diff)).unwrap();
        assert_eq!(patch.subject, "mm: a subject that is folded");
        assert_eq!(patch.message, ["Why.", "", "More."]);
        assert_eq!(patch.changes, [Change { path: "mm/x".into(), old: OLD.into(), new: NEW.into(), mode: None }]);
    }

    #[test]
    fn reads_mode_of_a_new_file() {
        let diff = format!("diff --git a/t.sh b/t.sh\nnew file mode 100755\nindex {NO_BLOB}..{NEW}\n");
        let patch = Patch::parse("f", &text("", &diff)).unwrap();
        assert_eq!(patch.changes[0].mode.as_deref(), Some("100755"));
        assert!(patch.message.is_empty());
    }

    #[test]
    fn refuses_short_index_rename_and_empty() {
        let short = "diff --git a/x b/x\nindex 11..22 100644\n";
        let rename = format!("diff --git a/x b/y\nindex {OLD}..{NEW}\n");
        for (diff, word) in [(short, "full"), (rename.as_str(), "renames"), ("", "no file")] {
            let error = Patch::parse("f", &text("m\n", diff)).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
