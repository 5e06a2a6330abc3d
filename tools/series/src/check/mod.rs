//! `series check`: what a maintainer's tools say about the series.

mod b4;
mod build;
mod checkpatch;
mod elsewhere;
mod kernel_doc;
mod rustfmt;
mod shellcheck;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};
use common::cmd;
use common::progress::Step;

use crate::chain::{self, Track};
use crate::git::Git;
use crate::list;
use crate::patch::Patch;
use crate::project::Project;
use crate::sync;

/// What every check may look at.
pub struct Subject {
    pub project: Project,
    /// The kernel tree, with the series checked out.
    pub git: Git,
    pub base: String,
    pub tip: String,
    /// A finished build, whose configuration and choice of objects count.
    pub built: PathBuf,
    /// Where builds may leave their output.
    pub output: PathBuf,
    pub patches: Vec<Patch>,
    pub tracks: BTreeMap<String, Track>,
}

impl Subject {
    pub fn new(project: &Project, git: Git, base: &str, tip: &str, built: PathBuf, output: PathBuf) -> Result<Self> {
        let patches = list::load(project)?;
        let (tracks, _) = chain::follow(&patches);
        let subject = Self {
            project: project.clone(),
            base: git.commit(base)?,
            tip: git.commit(tip)?,
            git,
            built,
            output,
            patches,
            tracks,
        };
        subject.refuse_other_content()?;
        Ok(subject)
    }

    /// The tree must hold what `patches/` says: else the checks would be of something else.
    fn refuse_other_content(&self) -> Result<()> {
        for (path, track) in self.tracks.iter().filter(|(_, track)| !track.last.is_empty()) {
            let blob = self.git.run(&["rev-parse", "--verify", "--quiet", &format!("{}:{path}", self.tip)]);
            if blob.as_ref().map_or(track.is_added(), |blob| *blob != track.last) {
                bail!(
                    "{path} differs between {} and patches/: `make export` or `make tree` brings them together",
                    self.git.dir().display()
                );
            }
        }
        Ok(())
    }

    pub fn kconfig(&self) -> PathBuf {
        self.built.join(".config")
    }

    /// Files that are there at the tip and have one of these endings.
    pub fn files(&self, endings: &[&str]) -> Vec<&str> {
        let there = self.tracks.iter().filter(|(_, track)| track.last != crate::patch::NO_BLOB);
        there
            .map(|(path, _)| path.as_str())
            .filter(|path| endings.iter().any(|ending| path.ends_with(ending)))
            .collect()
    }
}

/// One check; it gives what it found.
struct Check {
    name: &'static str,
    builds: bool,
    run: fn(&Subject) -> Result<Vec<String>>,
}

const CHECKS: &[Check] = &[
    Check { name: "check-sync", builds: false, run: in_sync },
    Check { name: "checkpatch", builds: false, run: checkpatch::run },
    Check { name: "rustfmt", builds: false, run: rustfmt::run },
    Check { name: "shellcheck", builds: false, run: shellcheck::run },
    Check { name: "kernel-doc", builds: false, run: kernel_doc::run },
    Check { name: "b4-am", builds: false, run: b4::am },
    Check { name: "b4-prep", builds: false, run: b4::prep },
    Check { name: "warnings", builds: true, run: build::warnings },
    Check { name: "sparse", builds: true, run: build::sparse },
    Check { name: "rustdoc", builds: true, run: build::rustdoc },
    Check { name: "elsewhere", builds: true, run: elsewhere::run },
];

/// The names that `--only` takes.
pub fn names() -> Vec<&'static str> {
    CHECKS.iter().map(|check| check.name).collect()
}

/// Runs the checks, without those that build when quick, or only those named; gives whether all are well.
pub fn run(subject: &Subject, quick: bool, only: &[String]) -> Result<bool> {
    let chosen = |check: &&Check| match only {
        [] => !(quick && check.builds),
        names => names.iter().any(|name| name == check.name),
    };
    let (mut good, mut bad) = (0, 0);
    for check in CHECKS.iter().filter(chosen) {
        let step = Step::begin(check.name, None);
        let found = (check.run)(subject).unwrap_or_else(|error| vec![format!("{error:#}")]);
        drop(step);
        match found.as_slice() {
            [] => good += 1,
            _ => bad += 1,
        }
        println!("{} {}", if found.is_empty() { "ok" } else { "not ok" }, check.name);
        found.iter().for_each(|line| println!("  {}", line.replace('\n', "\n  ")));
    }
    println!("check: {good} ok, {bad} not ok");
    Ok(bad == 0)
}

fn in_sync(subject: &Subject) -> Result<Vec<String>> {
    Ok(sync::check(&subject.project)?.findings.iter().map(ToString::to_string).collect())
}

/// Both outputs of a program, which may fail: a check that finds something does.
fn text_of(command: &mut Command) -> Result<(bool, String)> {
    let output = cmd::collect(command)?;
    let text = [output.stdout, output.stderr].concat();
    Ok((output.status.success(), String::from_utf8_lossy(&text).into_owned()))
}
