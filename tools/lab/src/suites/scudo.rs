//! Tags of large blocks of a real allocator, in a guest with memory tags: which bugs they catch.

use crate::guest::Guest;
use crate::outcome::Case;
use crate::programs::{Linked, Programs};
use crate::{Selection, complaints, kernel, tap};
use anyhow::Result;
use common::cmd;
use common::paths::Paths;
use common::progress::Step;
use std::fs;

/// Builds the allocator and lets its test run.
pub fn run(paths: &Paths, selection: &Selection) -> Result<Vec<Case>> {
    let kernel = kernel::ensure(paths, selection.config)?;
    let programs = Programs { packages: &["refscudo"], name: "scudo", linked: Linked::Dynamically }.build(paths)?;
    let log = paths.logs()?.join(paths.arch.named("scudo.log"));
    let limit = Some(selection.limit(paths.arch));
    let guest = Guest { limit, ..Guest::new(paths, &kernel.image, &log) };
    let mut said = Vec::new();
    let mut step = Step::begin("misusing large blocks of Scudo in a guest", None);
    let status = guest.run(&format!("{} test", programs.join("largeload").display()), |line| {
        said.push(line.to_owned());
        step.set(said.len() as u64, line);
    })?;
    step.done(&format!("exit status {status}"));
    let mut cases = read(&said, status);
    let log = String::from_utf8_lossy(&fs::read(&guest.log)?).into_owned();
    cases.extend(complaints::find(&log).into_iter().map(|complaint| Case::failed("kernel log", complaint)));
    Ok(cases)
}

/// The tests in what the guest printed. A status that they do not explain has failed.
fn read(said: &[String], status: i32) -> Vec<Case> {
    let mut cases = tap::parse(said.iter().map(String::as_str));
    if status != 0 && cases.iter().all(|case| *case == Case::passed(case.name.clone())) {
        cases.push(Case::failed("end", format!("exit status {status}: {}", cmd::tail(&said.join("\n"), 3))));
    }
    cases
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Outcome;

    fn of(text: &str, status: i32) -> Vec<Case> {
        read(&text.lines().map(str::to_owned).collect::<Vec<_>>(), status)
    }

    #[test]
    fn results_are_those_that_the_program_prints() {
        let cases = of("1..2\nok 1 small, load: missed\n# `missed` instead of `caught`\nnot ok 2 stores, load\n", 1);
        assert_eq!(cases[0], Case::passed("small, load: missed"));
        assert_eq!(cases[1], Case::failed("stores, load", "`missed` instead of `caught`"));
    }

    #[test]
    fn a_program_that_did_not_run_has_failed() {
        let cases = of("largeload: not found\n", 127);
        assert!(matches!(&cases[0].outcome, Outcome::Failed(why) if why.contains("127: largeload: not found")));
    }
}
