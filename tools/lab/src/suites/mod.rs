//! Everything that CI runs, cheap suites first.

mod host;
mod kernel_build;
mod kselftest;
mod kunit;
mod sync;
mod vma;

use crate::outcome::{Case, Report, Suite};
use anyhow::Result;
use common::paths::Paths;
use std::process::ExitCode;
use std::time::Instant;

type Run = fn(&Paths) -> Result<Vec<Case>>;

const SUITES: [(&str, Run); 6] = [
    ("check-sync", sync::run),
    ("host tools", host::run),
    ("vma", vma::run),
    ("kernel build", kernel_build::run),
    ("kunit", kunit::run),
    ("kselftest", kselftest::run),
];

/// Runs the suites that were named, or all of them. A suite that cannot run has failed, and the next one runs.
pub fn run_all(paths: &Paths, only: &[String]) -> Result<ExitCode> {
    let chosen = |name: &str| only.is_empty() || only.iter().any(|wanted| wanted == name);
    if let Some(unknown) = only.iter().find(|wanted| SUITES.iter().all(|(name, _)| name != wanted)) {
        anyhow::bail!("there is no suite `{unknown}`: take one of {}", SUITES.map(|(name, _)| name).join(", "));
    }
    let suites = SUITES.into_iter().filter(|(name, _)| chosen(name)).map(|(name, run)| one(paths, name, run));
    let report = Report::new(suites.collect());
    print!("{}", report.text());
    Ok(if report.good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn one(paths: &Paths, name: &'static str, run: Run) -> Suite {
    eprintln!("== {name}");
    let start = Instant::now();
    let cases = run(paths).unwrap_or_else(|error| vec![Case::failed(name, format!("{error:#}"))]);
    Suite { name, cases, time: start.elapsed() }
}
