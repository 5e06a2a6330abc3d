//! Where a mutation is tried: each suite says which of its tests fail. A change that does not build is no mutation.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use common::cmd;

use super::mutation::{Mutation, Suite};
use crate::base::Base;
use crate::lab::Lab;
use crate::project::Project;
use crate::views;

/// In seconds: a mutation that makes every test hang is caught long before each of them has run out of its time.
const LIMIT: &str = "300";
/// The model checker, for longer than as a suite: until the first operation that goes wrong.
const SOAK: [&str; 8] = ["soak", "--seeds", "12", "--ops", "4000", "--until-failure", "--limit", LIMIT];
const BROKEN: &str = "does not build with it: a mutation must be wrong, not broken";

/// The trees that mutations are made in.
pub struct Benches {
    project: Project,
    base: Base,
    pub lab: Lab,
}

impl Benches {
    pub fn new(project: &Project) -> Result<Self> {
        Ok(Self { project: project.clone(), base: Base::load(project)?, lab: Lab::new(project, "mutate")? })
    }

    /// The file that holds the mutated text.
    pub fn file(&self, suite: Suite, mutation: &Mutation) -> Result<PathBuf> {
        match suite {
            Suite::Content => Ok(self.host().join(self.base.view_of(&mutation.file)?)),
            Suite::Vma | Suite::Kunit | Suite::Kselftest | Suite::Model => Ok(self.lab.tree().join(&mutation.file)),
        }
    }

    /// A copy of the sources that run on this machine, since the views themselves must stay as they are.
    fn host(&self) -> PathBuf {
        self.lab.state().join("host")
    }

    /// Makes the copy anew; build output in it stays.
    pub fn prepare(&self, suite: Suite) -> Result<()> {
        if suite == Suite::Content {
            copy(&self.project.path("tools"), &self.host().join("tools"))?;
            copy(&self.project.path("rust-mm"), &self.host().join("rust-mm"))?;
        }
        Ok(())
    }

    /// The tests of the suite that fail, in these programs where the suite has programs.
    pub fn failures(&self, suite: Suite, programs: &[String]) -> Result<Vec<String>> {
        match suite {
            Suite::Content => content(&self.host()),
            Suite::Vma => {
                let folder = self.lab.tree().join("tools/testing/vma");
                cmd::run(Command::new("make").arg("-C").arg(folder))
                    .with_context(|| format!("tools/testing/vma {BROKEN}"))?;
                self.in_lab(suite, &[])
            }
            Suite::Kunit | Suite::Kselftest => {
                self.build()?;
                self.in_lab(suite, programs)
            }
            Suite::Model => {
                self.build()?;
                let (good, text) = self.lab.output(&SOAK)?;
                Ok(told(good, failed_in_soak(&text), suite))
            }
        }
    }

    fn build(&self) -> Result<()> {
        if !self.lab.succeeds(&["build", "--config", "test"])? {
            bail!("the kernel {BROKEN}");
        }
        Ok(())
    }

    fn in_lab(&self, suite: Suite, programs: &[String]) -> Result<Vec<String>> {
        let list = programs.join(",");
        let mut arguments = vec!["test", suite.name(), "--limit", LIMIT];
        if !programs.is_empty() {
            arguments.extend(["--programs", &list]);
        }
        let (good, text) = self.lab.output(&arguments)?;
        Ok(told(good, failed_in_lab(&text, suite), suite))
    }
}

/// A run that failed without naming a test was failed by something all the same.
fn told(good: bool, mut failed: Vec<String>, suite: Suite) -> Vec<String> {
    if !good && failed.is_empty() {
        failed.push(suite.name().to_owned());
    }
    failed
}

/// `  suite: test: reason` below `failed:`. Where the test has no name of its own, the reason tells more.
fn failed_in_lab(text: &str, suite: Suite) -> Vec<String> {
    let start = format!("  {}: ", suite.name());
    let section = text.lines().skip_while(|line| *line != "failed:").skip(1).take_while(|line| *line != "skipped:");
    let tests = section.filter_map(|line| line.strip_prefix(&start)?.split_once(": "));
    tests.map(|(test, reason)| if test == suite.name() { reason.to_owned() } else { test.to_owned() }).collect()
}

/// `failed: CASE: REASON`. Behind a seed that failed the rest of the plan is missing, which tells nothing more.
fn failed_in_soak(text: &str) -> Vec<String> {
    let failed = text.lines().filter_map(|line| line.strip_prefix("failed: ")?.split_once(": "));
    let (seeds, others): (Vec<_>, Vec<_>) = failed.partition(|(case, _)| case.starts_with("seed "));
    let told = if seeds.is_empty() { others } else { seeds };
    told.into_iter().map(|(_, reason)| reason.to_owned()).collect()
}

fn content(host: &Path) -> Result<Vec<String>> {
    let manifest = host.join("tools/Cargo.toml");
    let cargo = |verb: &[&str]| {
        let mut command = Command::new("cargo");
        command.args(verb).args(["--quiet", "--locked", "--package", "content", "--manifest-path"]).arg(&manifest);
        command.env("CARGO_TARGET_DIR", host.join("target"));
        command
    };
    cmd::run(&mut cargo(&["test", "--no-run"])).with_context(|| format!("tools/content {BROKEN}"))?;
    let mut test = cargo(&["test", "--no-fail-fast"]);
    let output = cmd::collect(test.args(["--", "--format=pretty"]))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let failed = text.lines().filter_map(|line| line.strip_prefix("test ")?.strip_suffix(" ... FAILED"));
    Ok(told(output.status.success(), failed.map(str::to_owned).collect(), Suite::Content))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if !entry.file_type()?.is_dir() {
            views::write_if_changed(&target, &fs::read(entry.path())?)?;
        } else if entry.file_name() != "target" {
            copy(&entry.path(), &target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_names_of_failed_tests() {
        let text = "failed:\n  kselftest: refpage_fork copies: x.c:5: wrong bytes\nmore of it\n  vma: vma: Test merge failed\n\nskipped:\n  kselftest: refpage_ksm a: no KSM\n";
        assert_eq!(failed_in_lab(text, Suite::Kselftest), ["refpage_fork copies"]);
        assert_eq!(failed_in_lab(text, Suite::Vma), ["Test merge failed"]);
        assert!(failed_in_lab("3 passed, 0 failed, 0 skipped\n", Suite::Vma).is_empty());
    }

    #[test]
    fn reads_what_the_model_checker_found() {
        let plan = "failed: plan: 3 tests planned, 1 reported\n";
        let text =
            format!("# seed 3: well\nfailed: seed 4: seed 4: operation 7: wrong byte\n{plan}80 operations, 1 failed\n");
        assert_eq!(failed_in_soak(&text), ["seed 4: operation 7: wrong byte"]);
        assert_eq!(failed_in_soak(plan), ["3 tests planned, 1 reported"]);
    }

    #[test]
    fn a_failure_without_a_name_is_told() {
        assert_eq!(told(false, Vec::new(), Suite::Vma), ["vma"]);
        assert!(told(true, Vec::new(), Suite::Vma).is_empty());
    }
}
