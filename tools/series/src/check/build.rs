//! Checks that compile: the base is built once, so that only what the series adds is found.

use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::process::Command;
use std::thread::available_parallelism;

use anyhow::{Context, Result, bail};
use common::cmd;
use common::paths::make_folder;

use super::Subject;
use crate::chain;
use crate::diag::{self, Complaint};

/// The compilers' warnings, those of Clippy included.
pub fn warnings(subject: &Subject) -> Result<Vec<String>> {
    compare(subject, "warnings", &["W=1", "CLIPPY=1"])
}

/// Every file is looked at, whether it was compiled just now or before.
pub fn sparse(subject: &Subject) -> Result<Vec<String>> {
    compare(subject, "sparse", &["W=1", "CLIPPY=1", "C=2"])
}

pub fn rustdoc(subject: &Subject) -> Result<Vec<String>> {
    let tip = Build::of_tip(subject)?;
    tip.configure(subject)?;
    let log = tip.build(&["rustdoc"])?;
    let ours = subject.files(&[".rs"]);
    let found = diag::find(&log, &tip.tree).into_iter().map(|complaint| complaint.shown);
    Ok(found.filter(|shown| ours.iter().any(|file| shown.contains(file))).collect())
}

fn compare(subject: &Subject, name: &str, options: &[&str]) -> Result<Vec<String>> {
    let tip = Build::of_tip(subject)?;
    if tip.targets(subject).is_empty() {
        bail!(
            "{} has no object of the series: `make build` makes them, --built names another build",
            subject.built.display()
        );
    }
    let new = complaints(subject, &tip, options)?;
    if new.is_empty() {
        return Ok(Vec::new());
    }
    let old = of_base(subject, name, options)?;
    Ok(diag::added(&diag::find(&old, &base_tree(subject)), &new))
}

fn complaints(subject: &Subject, build: &Build, options: &[&str]) -> Result<Vec<Complaint>> {
    Ok(diag::find(&build.log(subject, options)?, &build.tree))
}

fn base_tree(subject: &Subject) -> PathBuf {
    subject.output.join("base")
}

/// The log of the base, kept until base, configuration or files change.
fn of_base(subject: &Subject, name: &str, options: &[&str]) -> Result<String> {
    let key = [subject.base.clone(), fs::read_to_string(subject.kconfig())?, subject.files(&[".c", ".rs"]).join(" ")]
        .concat();
    let kept = subject.output.join(format!("base-{name}-{}.log", &chain::blob_id(key.as_bytes())[..12]));
    if let Ok(log) = fs::read_to_string(&kept) {
        return Ok(log);
    }
    let tree = base_tree(subject);
    if !tree.exists() {
        let mut command = subject.git.command(&["worktree", "add", "--quiet", "--force", "--detach"]);
        cmd::run(command.arg(&tree).arg(&subject.base))?;
    }
    let log = Build { tree, output: make_folder(subject.output.join("build-base"))? }.log(subject, options)?;
    fs::write(&kept, &log)?;
    Ok(log)
}

/// What `make prepare` compiles of these folders.
const IN_PREPARE: &[(&str, &str)] = &[("rust/kernel/", "rust/kernel.o"), ("rust/helpers/", "rust/helpers/helpers.o")];

/// A tree and the folder that it is built in.
pub struct Build {
    pub tree: PathBuf,
    pub output: PathBuf,
}

impl Build {
    pub fn of_tip(subject: &Subject) -> Result<Self> {
        let tree = subject.git.dir().canonicalize()?;
        if !subject.git.changes()?.is_empty() || subject.git.commit("HEAD")? != subject.tip {
            bail!("{} does not have the series checked out as it is committed: `make tree` does that", tree.display());
        }
        Ok(Self { tree, output: make_folder(subject.output.join("build"))? })
    }

    /// Builds what the series touches and nothing else, anew, and gives what was said.
    fn log(&self, subject: &Subject, options: &[&str]) -> Result<String> {
        self.configure(subject)?;
        let targets = self.targets(subject);
        self.forget(subject, &targets);
        let mut log = self.build(&[options, &["prepare"]].concat())?;
        if !targets.is_empty() {
            let targets: Vec<&str> = targets.iter().map(String::as_str).collect();
            log.push_str(&self.build(&[options, &targets].concat())?);
        }
        match targets.iter().find(|target| !self.output.join(target).exists()) {
            Some(missing) => bail!("make did not build {missing} in {}", self.output.display()),
            None => Ok(log),
        }
    }

    pub fn build(&self, arguments: &[&str]) -> Result<String> {
        let (built, log) = self.make(arguments)?;
        if !built {
            bail!("{} does not build:\n{}", self.tree.display(), cmd::tail(&log, 12));
        }
        Ok(log)
    }

    fn configure(&self, subject: &Subject) -> Result<()> {
        let wanted = fs::read(subject.kconfig()).with_context(|| {
            format!("{} is no finished build: `make build` makes it, --built names another", subject.built.display())
        })?;
        let source = self.output.join("kconfig");
        if fs::read(&source).is_ok_and(|old| old == wanted) {
            return Ok(());
        }
        fs::write(self.output.join(".config"), &wanted)?;
        let (configured, log) = self.make(&["olddefconfig"])?;
        if !configured {
            bail!("`make olddefconfig` fails: {}", cmd::tail(&log, 3));
        }
        fs::write(source, wanted).map_err(Into::into)
    }

    /// What is not compiled again does not warn again.
    fn forget(&self, subject: &Subject, targets: &[String]) {
        let mut objects: Vec<&str> = targets.iter().map(String::as_str).collect();
        for (folder, object) in IN_PREPARE {
            if subject.tracks.keys().any(|path| path.starts_with(folder)) {
                objects.push(object);
            }
        }
        for object in objects {
            // Not there is what is wanted.
            let _ = fs::remove_file(self.output.join(object));
        }
    }

    /// The objects that the finished build has, too: the rest is left out by the configuration.
    fn targets(&self, subject: &Subject) -> Vec<String> {
        let sources = subject.files(&[".c", ".rs"]).into_iter();
        let sources = sources.filter(|path| !path.starts_with("tools/") && !path.starts_with("rust/"));
        let sources = sources.filter(|path| self.tree.join(path).exists());
        let objects = sources.filter_map(|path| Some(format!("{}.o", path.rsplit_once('.')?.0)));
        objects.filter(|path| subject.built.join(path).exists()).collect()
    }

    fn make(&self, arguments: &[&str]) -> Result<(bool, String)> {
        let jobs = available_parallelism().map_or(2, usize::from);
        let mut command = Command::new("make");
        command.arg("-C").arg(&self.tree).arg(format!("O={}", self.output.display())).arg(format!("-j{jobs}"));
        command.args(["-s", "LLVM=1", "CC=ccache clang", "HOSTCC=clang", "LOCALVERSION="]).args(arguments);
        let (mut child, mut reader) = cmd::merged(command)?;
        let mut log = String::new();
        reader.read_to_string(&mut log)?;
        Ok((child.wait()?.success(), log))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_without_a_makefile_does_not_build() {
        let folder = tempfile::tempdir().unwrap();
        let build = Build { tree: folder.path().to_owned(), output: "/nonexistent".into() };
        assert!(!build.make(&["prepare"]).unwrap().0);
    }
}
