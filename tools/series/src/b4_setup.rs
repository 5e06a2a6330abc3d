//! `series b4`: makes b4 in a kernel tree use `b4.toml` and our check of each patch.

use anyhow::{Result, bail};

use crate::git::Git;
use crate::project::Project;

/// Sets the tree's own git settings; a second time changes nothing.
pub fn set_up(project: &Project, git: &Git) -> Result<String> {
    if !git.is_repository()? {
        bail!("{} is not a git repository: give --tree=<a kernel tree with the series>", git.dir().display());
    }
    let settings = project.path("b4.toml").display().to_string();
    let script = project.path("tools/series/perpatch-check").display().to_string();
    git.run(&["config", "--replace-all", "include.path", &settings, r"/b4\.toml$"])?;
    git.run(&["config", "alias.refpage-check", &format!("!'{script}'")])?;
    Ok(format!("b4 in {} uses {settings}", git.dir().display()))
}
