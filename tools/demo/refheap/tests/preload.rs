// SPDX-License-Identifier: GPL-2.0

//! The library preloaded into real programs. What needs the kernel feature is tested where the
//! kernel has it, and its documented refusal where not: every test fails without the library.

use std::path::PathBuf;
use std::process::Command;
use std::process::Output;

use serde_json::Value;
use tempfile::TempDir;

/// The folder of this build's outputs; the test itself is in its `deps`.
fn outputs() -> PathBuf {
    let mut folder = std::env::current_exe().unwrap();
    folder.pop();
    folder.pop();
    folder
}

fn preloaded(program: &str, variables: &[(&str, &str)]) -> Command {
    let library = outputs().join("deps/librefheap.so");
    assert!(library.is_file(), "{} is missing: see crate-type in Cargo.toml", library.display());
    let mut command = Command::new(program);
    command.env("LD_PRELOAD", library).envs(variables.iter().copied());
    command
}

/// Runs a program that must succeed, and returns the first line of the library's report.
fn reported(program: &str, args: &[&str], mode: &str) -> Value {
    let folder = TempDir::new().unwrap();
    let report = folder.path().join("report");
    let variables = [("REFHEAP_MODE", mode), ("REFHEAP_CHECK", "1"), ("REFHEAP_REPORT", report.to_str().unwrap())];
    let output = preloaded(program, &variables).args(args).output().unwrap();
    assert!(output.status.success(), "{program}: {output:?}");
    let text = std::fs::read_to_string(report).unwrap();
    serde_json::from_str(text.lines().next().unwrap()).unwrap()
}

fn refusal(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn every_function_keeps_its_contract() {
    let exercise = outputs().join("examples/exercise");
    for (mode, share) in [("none", 0), ("memset", 1)] {
        let report = reported(exercise.to_str().unwrap(), &[], mode);
        assert_eq!(report["way"], mode);
        let fresh = report["fresh_bytes"].as_u64().unwrap();
        assert!(fresh >= 4 << 20, "{report}");
        assert_eq!(report["checked_bytes"], fresh);
        assert_eq!(report["pattern_bytes"], share * fresh);
    }
}

#[test]
fn a_program_of_the_system_runs_on_it() {
    let report = reported("sort", &["-S", "8M", "--parallel=2", "/etc/passwd"], "memset");
    assert_eq!(report["pattern_bytes"], report["fresh_bytes"]);
    assert!(report["fresh_bytes"].as_u64().unwrap() > 0, "{report}");
}

#[test]
fn refpage_works_or_is_refused_by_name() {
    let exercise = outputs().join("examples/exercise");
    let output = preloaded("true", &[("REFHEAP_MODE", "refpage")]).output().unwrap();
    if output.status.success() {
        let report = reported(exercise.to_str().unwrap(), &[], "refpage");
        assert_eq!(report["way"], "refpage");
        assert_eq!(report["pattern_bytes"], report["fresh_bytes"]);
        return;
    }
    let (status, message) = refusal(&output);
    assert_eq!(status, Some(69), "{message}");
    assert!(message.starts_with("refheap: this kernel has no MAP_REFPAGE"), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
}

#[test]
fn nonsense_in_the_environment_is_refused_in_one_sentence() {
    for (name, value) in [("REFHEAP_MODE", "zero"), ("REFHEAP_GRANULARITY", "3"), ("REFHEAP_PATTERN", "x")] {
        let (status, message) = refusal(&preloaded("true", &[(name, value)]).output().unwrap());
        assert_eq!(status, Some(64), "{message}");
        assert!(message.starts_with(&format!("refheap: {name}: set it to ")), "{message}");
        assert_eq!(message.lines().count(), 1, "{message}");
    }
}
