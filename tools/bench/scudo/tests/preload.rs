// SPDX-License-Identifier: GPL-2.0

//! The library preloaded into programs. What needs the kernel feature is tested where the kernel has it, and its
//! documented refusal where not: every test fails without the library.

use serde_json::Value;
use std::process::{Command, Output};
use tempfile::TempDir;

/// The byte of Scudo's own pattern.
const PATTERN: u64 = 0xab;
const HEAPLOAD: &str = env!("CARGO_BIN_EXE_heapload");

fn preloaded(program: &str, variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(program);
    command.env("LD_PRELOAD", refscudo::library()).env("REFSCUDO_SEED", "1").envs(variables.iter().copied());
    command
}

fn run(program: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    preloaded(program, variables).args(arguments).output().unwrap()
}

/// Runs a program that must succeed, and returns the library's report.
fn reported(program: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Value {
    let folder = TempDir::new().unwrap();
    let report = folder.path().join("report");
    let mut command = preloaded(program, variables);
    command.env("REFSCUDO_REPORT", &report).env("REFSCUDO_PEAK", "1").args(arguments);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{program}: {output:?}");
    let text = std::fs::read_to_string(report).unwrap();
    serde_json::from_str(text.lines().next().unwrap()).unwrap()
}

fn contract(mode: &str, fresh: u64) {
    let fresh = fresh.to_string();
    for options in ["", "release_to_os_interval_ms=0"] {
        for calloc in ["map", "clear"] {
            let variables = [("REFSCUDO_MODE", mode), ("REFSCUDO_CALLOC", calloc), ("SCUDO_OPTIONS", options)];
            let report = reported(HEAPLOAD, &["contract", &fresh], &variables);
            assert_eq!(report["way"], mode);
            assert!(report["fresh_bytes"].as_u64().unwrap() > 8 << 20, "{report}");
            let clears = calloc == "clear" && mode != "none";
            assert_eq!(report["cleared_bytes"].as_u64().unwrap() >= 1 << 20, clears, "{report}");
        }
    }
}

#[test]
fn blocks_hold_what_they_must() {
    contract("none", 0);
    contract("memset", PATTERN);
}

#[test]
fn threads_get_whole_blocks() {
    for mode in ["none", "memset"] {
        let report = reported(HEAPLOAD, &["threads", "2000"], &[("REFSCUDO_MODE", mode)]);
        assert!(report["mappings"].as_u64().unwrap() > 10, "{report}");
    }
}

#[test]
fn filling_makes_memory_resident_and_the_report_says_so() {
    let peak = |mode| {
        let report = reported("sort", &["/etc/passwd"], &[("REFSCUDO_MODE", mode)]);
        assert!(report["looks"].as_u64().unwrap() > 0, "{report}");
        report["peak_rss_kib"].as_u64().unwrap()
    };
    let (plain, filled) = (peak("none"), peak("memset"));
    assert!(filled > plain + (2 << 10), "{filled} KiB, plain {plain} KiB");
}

#[test]
fn a_seed_decides_how_blocks_are_laid_out() {
    let layout = |seed| {
        let output = run("setarch", &["-R", HEAPLOAD, "layout", "100"], &[("REFSCUDO_SEED", seed)]);
        assert!(output.status.success(), "{output:?}");
        output.stdout
    };
    assert_eq!(layout("5"), layout("5"));
    assert_ne!(layout("5"), layout("6"));
}

#[test]
fn refpage_works_or_is_refused_in_one_sentence() {
    let output = run("true", &[], &[("REFSCUDO_MODE", "refpage")]);
    if output.status.success() {
        contract("refpage", PATTERN);
        reported(HEAPLOAD, &["threads", "2000"], &[("REFSCUDO_MODE", "refpage")]);
        return;
    }
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(69), "{message}");
    assert!(message.starts_with("refscudo: this kernel has no MAP_REFPAGE"), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
}

#[test]
fn nonsense_in_the_environment_is_refused_in_one_sentence() {
    for (name, value) in [
        ("REFSCUDO_MODE", "zero"),
        ("REFSCUDO_CALLOC", "no"),
        ("REFSCUDO_PEAK", "2"),
        ("REFSCUDO_SEED", "x"),
        ("REFSCUDO_TAGS", "all"),
    ] {
        let output = run("true", &[], &[(name, value)]);
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{message}");
        assert!(message.starts_with(&format!("refscudo: {name}: set it to ")), "{message}");
        assert_eq!(message.lines().count(), 1, "{message}");
    }
}

/// What tags do is tested in a guest that has them.
#[test]
#[cfg(target_arch = "x86_64")]
fn tags_are_refused_in_one_sentence_without_them() {
    for tags in refscudo::Tags::ALL {
        let output = run("true", &[], &[("REFSCUDO_TAGS", tags.name())]);
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(69), "{message}");
        assert!(message.starts_with("refscudo: this machine has no memory tags"), "{message}");
    }
}
