//! `series bisect`: every patch builds, with the option on and off.

use std::collections::BTreeSet;
use std::fs;

use anyhow::Result;

use crate::chain;
use crate::git::Git;
use crate::lab::Lab;
use crate::project::Project;

/// What the table calls a configuration, and what `lab` calls it.
const CONFIGS: &[(&str, &str)] = &[("on", "demo"), ("off", "off")];

/// The names that `--config` takes.
pub fn names() -> Vec<&'static str> {
    CONFIGS.iter().map(|(name, _)| *name).collect()
}

/// Builds each commit of the series; gives whether all build. What built before is remembered.
pub fn run(project: &Project, wanted: &[String]) -> Result<bool> {
    let lab = Lab::new("bisect")?;
    let git = Git::new(&lab.tree());
    let mut memory = Memory::load(project, &lab)?;
    let commits = git.run(&["rev-list", "--reverse", "base..series"])?;
    let total = commits.lines().count();
    let (mut built, mut failed) = (0, 0);
    for (index, commit) in commits.lines().enumerate() {
        git.run(&["checkout", "--quiet", "--detach", commit])?;
        let mut line = format!("{:04}", index + 1);
        for (name, config) in
            CONFIGS.iter().filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|one| one == name))
        {
            let result = build(&lab, &git, &mut memory, commit, name, config)?;
            built += usize::from(result == "ok");
            failed += usize::from(result == "FAILED");
            line.push_str(&format!(" {name}={result:<6}"));
        }
        println!("{line} {}", git.run(&["log", "--max-count=1", "--format=%s", commit])?);
    }
    git.run(&["checkout", "--quiet", "series"])?;
    println!("bisect: {total} patches, {built} builds ok, {failed} failed");
    Ok(failed == 0 && built > 0)
}

fn build(lab: &Lab, git: &Git, memory: &mut Memory, commit: &str, name: &str, config: &str) -> Result<&'static str> {
    if name == "on" && !has_option(git, commit)? {
        return Ok("-");
    }
    if memory.knows(commit, config) {
        return Ok("ok");
    }
    if !lab.succeeds(&["build", "--config", config])? {
        return Ok("FAILED");
    }
    memory.add(commit, config)?;
    Ok("ok")
}

/// Before the patch that declares it, the option cannot be on.
fn has_option(git: &Git, commit: &str) -> Result<bool> {
    git.succeeds(&["grep", "--quiet", "^config REFPAGE$", commit, "--", "mm/Kconfig", "mm/refpage/Kconfig"])
}

/// What built: a commit's id says everything about the source, so it needs no second build.
struct Memory {
    file: std::path::PathBuf,
    configs: String,
    known: BTreeSet<String>,
}

impl Memory {
    fn load(project: &Project, lab: &Lab) -> Result<Self> {
        let mut text = String::new();
        for fragment in ["base", "demo", "off"] {
            text.push_str(&project.read(&format!("tools/configs/{fragment}.config"))?);
        }
        let file = lab.state().join("built.txt");
        let known = fs::read_to_string(&file).unwrap_or_default().lines().map(str::to_owned).collect();
        Ok(Self { file, configs: chain::blob_id(text.as_bytes()), known })
    }

    fn key(&self, commit: &str, config: &str) -> String {
        format!("{commit} {config} {}", self.configs)
    }

    fn knows(&self, commit: &str, config: &str) -> bool {
        self.known.contains(&self.key(commit, config))
    }

    fn add(&mut self, commit: &str, config: &str) -> Result<()> {
        self.known.insert(self.key(commit, config));
        let lines: Vec<&str> = self.known.iter().map(String::as_str).collect();
        Ok(fs::write(&self.file, lines.join("\n") + "\n")?)
    }
}
