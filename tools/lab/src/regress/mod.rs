//! Whether the series changes anything for others: the kernel's own tests, on the unpatched and on the patched kernel.

mod compare;
mod plan;
mod read;
mod report;
mod run;

use anyhow::Result;
use clap::Args;
use common::paths::{Paths, make_folder};
use compare::Rounds;
use plan::{Plan, Suite};
use report::Report;
use run::Side;
use std::fs;
use std::process::ExitCode;

/// Which tests, and how often.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Only these suites of tools/regress/suites.toml, separated by commas
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Run every suite so often, to see what varies by itself
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    repeat: u32,
    /// Run a suite in which a test differs up to so often, to see whether it always does
    #[arg(long, default_value_t = 3)]
    rounds: u32,
}

/// Runs and compares. What differs is tried again on both kernels, so that chance is told from change.
pub fn run(paths: &Paths, options: &Options) -> Result<ExitCode> {
    let plan = Plan::load(&paths.repo, paths.arch, &options.only)?;
    let built = run::build(paths, &plan.suites)?;
    let file = make_folder(paths.state.join("regress"))?.join("results.md");
    let mut rounds = Rounds::default();
    let mut again: Vec<&Suite> = plan.suites.iter().collect();
    let mut round = 0;
    while !again.is_empty() {
        round += 1;
        for side in [Side::Base, Side::Patched] {
            rounds.add(side, run::side(paths, built.as_ref(), side, &again, round)?);
        }
        let report = Report::new(&plan, rounds.rows(&plan));
        fs::write(&file, report.markdown())?;
        let differing = report.differing();
        if round >= options.repeat {
            again.retain(|suite| round < options.rounds && differing.contains(&suite.name.as_str()));
        }
    }
    let report = Report::new(&plan, rounds.rows(&plan));
    print!("{}", report.text());
    eprintln!("every test: {}", paths.shown(&file).display());
    Ok(if report.good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
