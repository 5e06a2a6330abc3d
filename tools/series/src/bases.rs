//! `series am --bases`: which of Debian's kernels the series applies to.

use anyhow::{Result, bail};
use common::base;
use common::paths::Paths;
use common::progress::Step;

/// Tries plain `git am` on the newest release and the newest candidate; gives whether it applies to all.
pub fn table() -> Result<bool> {
    let paths = Paths::discover()?;
    let offered = base::offered(&paths)?;
    let release = offered.iter().find(|version| !is_candidate(version));
    let candidate = offered.iter().find(|version| is_candidate(version));
    let versions: Vec<&String> = release.into_iter().chain(candidate).collect();
    if versions.is_empty() {
        bail!("no suite of Debian has the package of patches/base.toml: name another there");
    }
    let mut rows = Vec::new();
    for version in versions {
        rows.push((version, applies(&paths, version)?));
    }
    println!("{:<16} applies", "base");
    for (version, problem) in &rows {
        println!("{:<16} {}", version, problem.as_deref().unwrap_or("yes"));
    }
    Ok(rows.iter().all(|(_, problem)| problem.is_none()))
}

fn is_candidate(version: &str) -> bool {
    version.contains("~rc")
}

/// What stops the series on this base; nothing when it applies.
fn applies(paths: &Paths, version: &str) -> Result<Option<String>> {
    let base = base::import(paths, Some(version))?;
    let step = Step::begin(format!("git am on Linux {version}"), None);
    let result = base::apply(&base.git_dir, &base.commit, &paths.patches());
    step.done("");
    Ok(result.err().map(|problem| format!("no: {problem:#}")))
}
