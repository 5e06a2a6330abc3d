//! `shellcheck` on the shell scripts of the repository.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use common::cmd;

use super::{Subject, text_of};

pub fn run(subject: &Subject) -> Result<Vec<String>> {
    let root = subject.project.root();
    let listing = cmd::output(cmd::git(root).args(["ls-files"]))?;
    let scripts: Vec<PathBuf> = listing.lines().map(|name| root.join(name)).filter(|path| is_script(path)).collect();
    let mut command = Command::new("shellcheck");
    let (clean, text) =
        text_of(command.args(["--format=gcc", "--external-sources", "--source-path=SCRIPTDIR"]).args(&scripts))?;
    Ok(if clean { Vec::new() } else { text.lines().map(str::to_owned).collect() })
}

fn is_script(path: &Path) -> bool {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().next().is_some_and(is_shell)
}

fn is_shell(line: &str) -> bool {
    line.starts_with("#!") && line.ends_with("sh")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_a_script_by_its_first_line() {
        assert!(is_shell("#!/bin/sh") && is_shell("#!/bin/bash"));
        assert!(!is_shell("#!/usr/bin/python3") && !is_shell("sh") && !is_shell(""));
    }
}
