//! The kernel's own userland tests of mm/vma.c.

use crate::outcome::Case;
use crate::{kernel, lock, tree};
use anyhow::{Context, Result, bail};
use common::cmd;
use common::paths::Paths;
use std::process::Command;

/// Builds `tools/testing/vma` in the tree and runs it.
pub fn run(paths: &Paths) -> Result<Vec<Case>> {
    let _lock = lock::hold(&paths.state)?;
    let tree = tree::ensure(paths, false)?;
    let folder = tree.path.join("tools/testing/vma");
    let mut make = Command::new("make");
    make.arg("-C").arg(&folder);
    kernel::logged(make, "building tools/testing/vma", 30, &paths.logs()?.join("vma.log"))?;
    let result = cmd::collect(Command::new("./vma").current_dir(&folder))?;
    let text = String::from_utf8_lossy(&result.stdout) + String::from_utf8_lossy(&result.stderr);
    let cases = parse(&text)?;
    if !result.status.success() && cases.iter().all(|case| *case == Case::passed(case.name.clone())) {
        bail!("vma ended with {}: {}", result.status, cmd::tail(&text, 5));
    }
    Ok(cases)
}

/// The program names the tests that fail, and gives no more than a number for the others.
fn parse(text: &str) -> Result<Vec<Case>> {
    let sum = text.lines().rev().find_map(numbers).with_context(|| format!("vma gave no sum: {}", last_words(text)))?;
    let (run, passed, failed) = sum;
    if run != passed + failed {
        bail!("the sum of vma does not add up: {run} run, {passed} passed, {failed} failed");
    }
    let why: Vec<&str> = text.lines().filter(|line| line.contains("Test ") && line.contains("failed")).collect();
    let good = (1..=passed).map(|number| Case::passed(format!("vma {number}")));
    let bad = (0..failed).map(|number| Case::failed("vma", why.get(number).copied().unwrap_or("no name given")));
    Ok(good.chain(bad).collect())
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

    #[test]
    fn counts_what_passed() {
        assert_eq!(parse("3 tests run, 3 passed, 0 failed.\n").unwrap().len(), 3);
    }

    #[test]
    fn names_what_failed() {
        let cases = parse("Test merge_new failed\n2 tests run, 1 passed, 1 failed.\n").unwrap();
        assert_eq!(cases[1], Case::failed("vma", "Test merge_new failed"));
    }

    #[test]
    fn no_sum_is_an_error() {
        assert!(parse("Aborted\n").is_err());
        let error = parse("SUMMARY: AddressSanitizer: heap-use-after-free vma.c:1 in f\n==1==ABORTING\n").unwrap_err();
        assert_eq!(error.to_string(), "vma gave no sum: AddressSanitizer: heap-use-after-free vma.c:1 in f");
        assert!(parse("3 tests run, 1 passed, 0 failed.\n").is_err());
    }
}
