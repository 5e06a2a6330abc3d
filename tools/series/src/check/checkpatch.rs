//! `scripts/checkpatch.pl --strict` on every patch, less what `patches/checkpatch.toml` allows with a reason.

use std::process::Command;

use anyhow::{Context, Result};
use rayon::prelude::*;
use serde::Deserialize;

use super::{Subject, text_of};
use crate::patch::Patch;

const ALLOWED: &str = "patches/checkpatch.toml";

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Allowed {
    #[serde(default)]
    allow: Vec<Allow>,
}

/// One kind of remark that stays, and why.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Allow {
    #[serde(rename = "type")]
    kind: String,
    /// How the subjects of the patches begin; without it, any patch.
    patch: Option<String>,
    reason: String,
}

impl Allow {
    fn covers(&self, patch: &Patch, line: &str) -> bool {
        line.contains(&format!(":{}: ", self.kind))
            && self.patch.as_ref().is_none_or(|start| patch.subject.starts_with(start))
    }
}

pub fn run(subject: &Subject) -> Result<Vec<String>> {
    let allowed = load(subject)?;
    let mut used = vec![false; allowed.len()];
    let mut found = Vec::new();
    let remarks: Vec<_> = subject.patches.par_iter().map(|patch| remarks(subject, patch)).collect();
    for (patch, lines) in subject.patches.iter().zip(remarks) {
        for line in lines? {
            match allowed.iter().position(|allow| allow.covers(patch, &line)) {
                Some(index) => used[index] = true,
                None => found.push(line),
            }
        }
    }
    for (allow, _) in allowed.iter().zip(used).filter(|(_, used)| !used) {
        found.push(format!(
            "{ALLOWED} allows {} (\"{}\"), which no patch needs any more: delete it",
            allow.kind, allow.reason
        ));
    }
    Ok(found)
}

fn load(subject: &Subject) -> Result<Vec<Allow>> {
    if !subject.project.path(ALLOWED).exists() {
        return Ok(Vec::new());
    }
    let allowed: Allowed =
        toml::from_str(&subject.project.read(ALLOWED)?).with_context(|| format!("{ALLOWED} is not as it should be"))?;
    Ok(allowed.allow)
}

/// The patch is named by its file alone, as people know it.
fn remarks(subject: &Subject, patch: &Patch) -> Result<Vec<String>> {
    let script = subject.git.dir().join("scripts/checkpatch.pl");
    let mut command = Command::new("perl");
    command.current_dir(subject.git.dir()).arg(script);
    command.args(["--root=.", "--strict", "--no-signoff", "--codespell", "--show-types", "--terse", "--no-summary"]);
    let (clean, text) = text_of(command.arg(subject.project.patches().join(&patch.file)))?;
    let folder = format!("{}/", subject.project.patches().display());
    let mut lines: Vec<String> =
        text.lines().filter(|line| !line.trim().is_empty()).map(|line| line.replace(&folder, "")).collect();
    if !clean && lines.is_empty() {
        lines.push(format!("{}: checkpatch fails without a word", patch.file));
    }
    Ok(lines)
}
