//! The tests of our own tools, and the property tests of the parts that need no kernel.

use crate::outcome::{Case, Outcome};
use anyhow::Result;
use common::cmd;
use common::paths::Paths;
use common::progress::Step;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::Command;

/// Runs `cargo test` over the whole workspace.
pub fn run(paths: &Paths) -> Result<Vec<Case>> {
    let mut command = Command::new("cargo");
    command.args(["test", "--locked", "--workspace", "--no-fail-fast", "--manifest-path"]);
    command.arg(paths.repo.join("tools/Cargo.toml")).arg("--target-dir").arg(paths.state.join("target-test"));
    let log = paths.logs()?.join("host.log");
    let mut file = fs::File::create(&log)?;
    let (mut child, reader) = cmd::merged(command)?;
    let mut step = Step::begin("testing our tools", None);
    let mut cases = Vec::new();
    let mut last = Vec::new();
    for line in BufReader::new(reader).lines() {
        let line = line?;
        writeln!(file, "{line}")?;
        cases.extend(case(&line));
        step.set(cases.len() as u64, line.trim());
        last.push(line);
    }
    let good = child.wait()?.success();
    if !good && cases.iter().all(|case| case.outcome == Outcome::Passed) {
        cases.push(Case::failed("cargo test", cmd::tail(&last.join("\n"), 8)));
    }
    step.done(&format!("{} tests; log: {}", cases.len(), paths.shown(&log).display()));
    Ok(cases)
}

fn case(line: &str) -> Option<Case> {
    let (name, result) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
    match result {
        "ok" => Some(Case::passed(name)),
        "FAILED" => Some(Case::failed(name, "see the log of the host tools")),
        _ => result.strip_prefix("ignored").map(|why| Case::skipped(name, why.trim_start_matches(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_cargo_prints() {
        assert_eq!(case("test a::b ... ok"), Some(Case::passed("a::b")));
        assert_eq!(case("test a - b (line 3) ... ok"), Some(Case::passed("a - b (line 3)")));
        assert_eq!(case("test a ... ignored, slow"), Some(Case::skipped("a", "slow")));
        assert!(matches!(case("test a ... FAILED").unwrap().outcome, Outcome::Failed(_)));
        assert_eq!(case("test result: ok. 3 passed"), None);
    }
}
