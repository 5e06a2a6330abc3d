//! Everything that CI runs, cheap suites first.

mod host;
mod kernel_build;
pub mod kselftest;
mod kunit;
mod model;
mod scudo;
mod sync;
pub mod vma;

use crate::Selection;
use crate::config::Config;
use crate::outcome::{Case, Report, Suite};
use anyhow::Result;
use common::arch::Arch;
use common::paths::Paths;
use std::process::ExitCode;
use std::time::Instant;

/// A suite.
type Run = fn(&Paths, &Selection) -> Result<Vec<Case>>;

const SUITES: &[(&str, Run)] = &[
    ("check-sync", |paths, _| sync::run(paths)),
    ("host tools", |paths, _| host::run(paths)),
    ("vma", |paths, _| vma::run(paths)),
    ("kernel build", |paths, selection| kernel_build::run(paths, selection.config)),
    ("kunit", |paths, selection| kunit::run(paths, selection.config)),
    ("kselftest", kselftest::run),
    ("model", model::run),
];

/// What depends on the architecture, for one that is not this machine's.
const ARM64_SUITES: &[(&str, Run)] = &[
    ("check-sync", |paths, _| sync::run(paths)),
    ("kernel build", |paths, selection| kernel_build::run(paths, selection.config)),
    ("kunit", |paths, selection| kunit::run(paths, selection.config)),
    ("kselftest", kselftest::run),
    ("kselftest mte=off", kselftest::run_untagged),
    ("model", model::run),
    ("scudo", scudo::run),
];

/// Runs the suites that were named, or all of them. A suite that cannot run has failed, and the next one runs.
pub fn run_all(paths: &Paths, only: &[String], selection: &Selection) -> Result<ExitCode> {
    let all = suites(paths.arch, selection.config);
    let chosen = |name: &str| only.is_empty() || only.iter().any(|wanted| wanted == name);
    if let Some(unknown) = only.iter().find(|wanted| all.iter().all(|(name, _)| name != wanted)) {
        let names: Vec<_> = all.iter().map(|&(name, _)| name).collect();
        anyhow::bail!("there is no suite `{unknown}`: take one of {}", names.join(", "));
    }
    let suites = all.into_iter().filter(|(name, _)| chosen(name)).map(|(name, run)| one(paths, name, run, selection));
    let report = Report::new(suites.collect());
    print!("{}", report.text());
    Ok(if report.good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Those of an architecture and a kernel. The pages of the model checker have 4 KB.
fn suites(arch: Arch, config: Config) -> Vec<(&'static str, Run)> {
    let all = match arch {
        Arch::X86_64 => SUITES,
        Arch::Arm64 => ARM64_SUITES,
    };
    all.iter().copied().filter(|(name, _)| *name != "model" || config != Config::Pages64k).collect()
}

fn one(paths: &Paths, name: &'static str, run: Run, selection: &Selection) -> Suite {
    eprintln!("== {name}");
    let start = Instant::now();
    let cases = run(paths, selection).unwrap_or_else(|error| vec![Case::failed(name, format!("{error:#}"))]);
    Suite { name, cases, time: start.elapsed() }
}
