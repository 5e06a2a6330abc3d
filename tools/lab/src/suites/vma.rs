//! The kernel's own userland tests of mm/vma.c.

use crate::outcome::Case;
use crate::{kernel, lock, tree};
use anyhow::{Context, Result, bail};
use common::cmd;
use common::paths::Paths;
use regex::Regex;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Builds `tools/testing/vma` in the tree and runs it.
pub fn run(paths: &Paths) -> Result<Vec<Case>> {
    let tree = {
        let _lock = lock::hold(&paths.state)?;
        tree::ensure(paths, false)?
    };
    tests(paths, &tree.path)
}

/// The same in a tree that is as it shall be.
pub fn tests(paths: &Paths, tree: &Path) -> Result<Vec<Case>> {
    let _lock = lock::hold(&paths.state)?;
    let folder = tree.join("tools/testing/vma");
    let mut make = Command::new("make");
    make.arg("-C").arg(&folder);
    kernel::logged(make, "building tools/testing/vma", 30, &paths.logs()?.join("vma.log"))?;
    let result = cmd::collect(Command::new("./vma").current_dir(&folder))?;
    let text = String::from_utf8_lossy(&result.stdout) + String::from_utf8_lossy(&result.stderr);
    let cases = parse(&text, &names(&String::from_utf8_lossy(&fs::read(folder.join("vma"))?)))?;
    if !result.status.success() && cases.iter().all(|case| *case == Case::passed(case.name.clone())) {
        bail!("vma ended with {}: {}", result.status, cmd::tail(&text, 5));
    }
    Ok(cases)
}

/// The tests by name, from a text: what the program prints of those that fail, or the program itself, which holds these
/// words for each test that it was built with.
fn names(text: &str) -> BTreeSet<String> {
    let words = Regex::new(r"Test (\w+) FAILED").expect("the pattern is a constant that a test compiles");
    words.captures_iter(text).map(|found| found[1].to_owned()).collect()
}

fn parse(text: &str, all: &BTreeSet<String>) -> Result<Vec<Case>> {
    let sum = text.lines().rev().find_map(numbers).with_context(|| format!("vma gave no sum: {}", last_words(text)))?;
    let failed = names(text);
    let (run, bad) = (all.len(), failed.len());
    if sum != (run, run.saturating_sub(bad), bad) || !failed.is_subset(all) {
        bail!(
            "the sum of vma does not add up: {sum:?} run, passed and failed, by their names {run}, of which {bad} failed"
        );
    }
    let why =
        |name: &str| text.lines().find(|line| line.contains(&format!("test_{name}()"))).unwrap_or("no reason given");
    let case = |name: &String| match failed.contains(name) {
        true => Case::failed(name.clone(), why(name)),
        false => Case::passed(name.clone()),
    };
    Ok(all.iter().map(case).collect())
}

/// A sanitizer ends the program, with a summary among much else.
fn last_words(text: &str) -> String {
    let summary = text.lines().find_map(|line| line.strip_prefix("SUMMARY: "));
    summary.map_or_else(|| cmd::tail(text, 5), str::to_owned)
}

fn numbers(line: &str) -> Option<(usize, usize, usize)> {
    let mut parts = line.trim_end_matches('.').split(", ");
    let mut number = |suffix: &str| parts.next()?.strip_suffix(suffix)?.trim().parse().ok();
    Some((number("tests run")?, number("passed")?, number("failed")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Vec<Case>> {
        parse(text, &names("\0Test one FAILED\n\0Test two FAILED\n\0Test %s\0"))
    }

    #[test]
    fn names_what_passed() {
        assert_eq!(of("2 tests run, 2 passed, 0 failed.\n").unwrap(), [Case::passed("one"), Case::passed("two")]);
    }

    #[test]
    fn names_what_failed() {
        let cases =
            of("Assert FAILED at a.c:1:test_two(): x is FALSE.\nTest two FAILED\n2 tests run, 1 passed, 1 failed.\n");
        let cases = cases.unwrap();
        assert_eq!(cases[0], Case::passed("one"));
        assert_eq!(cases[1], Case::failed("two", "Assert FAILED at a.c:1:test_two(): x is FALSE."));
    }

    #[test]
    fn no_sum_is_an_error() {
        assert!(of("Aborted\n").is_err());
        let error = of("SUMMARY: AddressSanitizer: heap-use-after-free vma.c:1 in f\n==1==ABORTING\n").unwrap_err();
        assert_eq!(error.to_string(), "vma gave no sum: AddressSanitizer: heap-use-after-free vma.c:1 in f");
    }

    #[test]
    fn a_sum_that_does_not_add_up_is_an_error() {
        assert!(of("2 tests run, 1 passed, 1 failed.\n").is_err());
        assert!(of("3 tests run, 3 passed, 0 failed.\n").is_err());
    }
}
