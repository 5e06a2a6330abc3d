//! `series bisect`: every patch builds and boots, with the option on and off.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use anyhow::Result;

use crate::chain;
use crate::git::Git;
use crate::lab::Lab;
use crate::project::Project;

/// What the table calls a configuration, and what `lab` calls it.
const CONFIGS: &[(&str, &str)] = &[("on", "small"), ("off", "small-off")];

/// Where the paths begin that no kernel is built from. The rest of `tools/` has objtool.
const NOT_BUILT: &[&str] = &["Documentation/", "MAINTAINERS", "tools/include/uapi/", "tools/testing/"];

/// The names that `--config` takes.
pub fn names() -> Vec<&'static str> {
    CONFIGS.iter().map(|(name, _)| *name).collect()
}

/// Builds and boots each commit of the series; gives whether all do. What did before is remembered.
pub fn run(project: &Project, wanted: &[String]) -> Result<bool> {
    let lab = Lab::new(project, "bisect")?;
    let git = Git::new(&lab.tree());
    let mut memory = Memory::load(project, &lab)?;
    let commits = git.run(&["rev-list", "--reverse", "base..series"])?;
    let total = commits.lines().count();
    let (mut good, mut failed) = (0, 0);
    for (index, commit) in commits.lines().enumerate() {
        git.run(&["checkout", "--quiet", "--detach", commit])?;
        let mut line = format!("{:04}", index + 1);
        for (name, config) in
            CONFIGS.iter().filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|one| one == name))
        {
            let result = boot(&lab, &git, &mut memory, commit, name, config)?;
            good += usize::from(result == "ok");
            failed += usize::from(result == "FAILED");
            line.push_str(&format!(" {name}={result:<6}"));
        }
        println!("{line} {}", git.run(&["log", "--max-count=1", "--format=%s", commit])?);
    }
    git.run(&["checkout", "--quiet", "series"])?;
    println!("bisect: {total} patches, {good} boots ok, {failed} failed");
    Ok(failed == 0 && good > 0)
}

fn boot(lab: &Lab, git: &Git, memory: &mut Memory, commit: &str, name: &str, config: &str) -> Result<&'static str> {
    if name == "on" && !has_option(git, commit)? {
        return Ok("-");
    }
    let source = source(git, commit)?;
    if memory.knows(&source, config) {
        return Ok("ok");
    }
    if !lab.succeeds(&["boot", "--config", config])? {
        return Ok("FAILED");
    }
    memory.add(&source, config)?;
    Ok("ok")
}

/// Before the patch that declares it, the option cannot be on.
fn has_option(git: &Git, commit: &str) -> Result<bool> {
    git.succeeds(&["grep", "--quiet", "^config REFPAGE$", commit, "--", "mm/Kconfig", "mm/refpage/Kconfig"])
}

/// Names what a commit's kernel is built from: a patch that changes none of it needs no build.
fn source(git: &Git, commit: &str) -> Result<String> {
    let listing = git.run(&["ls-tree", "-r", commit])?;
    let built = listing.lines().filter(|line| !NOT_BUILT.iter().any(|start| line.contains(&format!("\t{start}"))));
    Ok(chain::blob_id(built.collect::<Vec<_>>().join("\n").as_bytes()))
}

/// What booted.
struct Memory {
    file: PathBuf,
    configs: String,
    known: BTreeSet<String>,
}

impl Memory {
    fn load(project: &Project, lab: &Lab) -> Result<Self> {
        let mut text = String::new();
        for fragment in ["small", "demo"] {
            text.push_str(&project.read(&format!("tools/configs/{fragment}.config"))?);
        }
        let file = lab.state().join("booted.txt");
        let known = fs::read_to_string(&file).unwrap_or_default().lines().map(str::to_owned).collect();
        Ok(Self { file, configs: chain::blob_id(text.as_bytes()), known })
    }

    fn key(&self, source: &str, config: &str) -> String {
        format!("{source} {config} {}", self.configs)
    }

    fn knows(&self, source: &str, config: &str) -> bool {
        self.known.contains(&self.key(source, config))
    }

    fn add(&mut self, source: &str, config: &str) -> Result<()> {
        self.known.insert(self.key(source, config));
        let lines: Vec<&str> = self.known.iter().map(String::as_str).collect();
        Ok(fs::write(&self.file, lines.join("\n") + "\n")?)
    }
}
