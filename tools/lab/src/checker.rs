//! The model checker of `tools/model`: built here, run in a guest.

use crate::config::Config;
use crate::guest::{self, Guest};
use crate::outcome::{Case, Outcome};
use crate::programs::{Linked, Programs};
use crate::{complaints, kernel, kvm, lock, tap};
use anyhow::Result;
use clap::Args;
use common::paths::{Paths, make_folder};
use common::progress::Step;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// What the checker runs.
#[derive(Args, Clone)]
pub struct Plan {
    /// The first seed
    #[arg(long, default_value_t = 1)]
    pub first: u64,
    /// The number of seeds
    #[arg(long, default_value_t = 20)]
    pub seeds: u64,
    /// Operations of each seed
    #[arg(long, default_value_t = 50_000)]
    pub ops: u64,
    /// Run a sequence that was saved, in place of those of seeds
    #[arg(long)]
    pub replay: Option<PathBuf>,
    /// Stop at the first seed that fails, and do not cut its sequence down
    #[arg(long)]
    pub until_failure: bool,
}

/// What the checker printed, and what that means.
pub struct Run {
    /// The tests: one for each seed, and one for each complaint of the kernel.
    pub cases: Vec<Case>,
    /// The checker's own last line, if it came to that.
    pub sum: Option<String>,
}

/// The long run, with a line for each seed.
pub fn soak(paths: &Paths, config: Config, plan: &Plan, limit: Option<Duration>) -> Result<ExitCode> {
    let run = run(paths, config, "soak", plan, limit, |line| println!("{line}"))?;
    let failed: Vec<_> = run.cases.iter().filter(|case| matches!(case.outcome, Outcome::Failed(_))).collect();
    for case in &failed {
        if let Outcome::Failed(why) = &case.outcome {
            println!("failed: {}: {why}", case.name);
        }
    }
    println!("{}", run.sum.as_deref().unwrap_or("the checker did not come to its end"));
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Builds the kernel and the checker and runs it in a guest, whose logs have this name. Each line that it prints goes to
/// `each`.
pub fn run(
    paths: &Paths,
    config: Config,
    name: &str,
    plan: &Plan,
    limit: Option<Duration>,
    mut each: impl FnMut(&str),
) -> Result<Run> {
    let kernel = kernel::ensure(paths, config)?;
    let program = build(paths)?;
    let results = make_folder(paths.state.join("guest"))?;
    let log = paths.logs()?.join(format!("{name}-{config}.log"));
    let guest = Guest {
        kvm: kvm::usable(paths, &kernel.image)?,
        nodes: 2,
        limit,
        writable: vec![results.clone()],
        folder: paths.repo.clone(),
        ..Guest::new(paths, &kernel.image, &log)
    };
    let mut file = fs::File::create(log.with_extension("out"))?;
    let mut step = Step::begin("checking random operations in a guest", Some(plan.seeds));
    let mut transcript = Vec::new();
    let mut seeds = 0;
    let status = guest.run(&script(&paths.repo, &program, plan, &results), |line| {
        let _ = writeln!(file, "{line}");
        seeds += u64::from(line.starts_with("ok ") || line.starts_with("not ok "));
        step.set(seeds, line);
        each(line);
        transcript.push(line.to_owned());
    })?;
    step.done(&format!("exit status {status}; log: {}", paths.shown(&log).display()));
    let mut run = read(&transcript, status);
    let log = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    run.cases.extend(complaints::find(&log).into_iter().map(|complaint| Case::failed("kernel log", complaint)));
    Ok(run)
}

fn script(repo: &Path, program: &Path, plan: &Plan, results: &Path) -> String {
    let tools = repo.join("tools");
    let until_failure = if plan.until_failure { " --until-failure" } else { "" };
    let what = match &plan.replay {
        Some(file) => format!("--replay '{}'", file.display()),
        None => format!("--first {} --seeds {} --ops {}", plan.first, plan.seeds, plan.ops),
    };
    format!(
        "sh {0}/model/guest.sh {0}/lab/guest {1} --save {2} {what}{until_failure}\ncode=$?\nsh {0}/lab/guest/leaks\nexit $code\n",
        tools.display(),
        program.display(),
        results.display()
    )
}

/// The tests in what the guest printed. An end that they do not explain fails.
fn read(transcript: &[String], status: i32) -> Run {
    let mut cases = tap::parse(transcript.iter().map(String::as_str));
    let sum = transcript.iter().find_map(|line| line.strip_prefix("# model: ")).map(str::to_owned);
    let failed = cases.iter().any(|case| matches!(case.outcome, Outcome::Failed(_)));
    let last = transcript.last().map_or("nothing", String::as_str);
    match status {
        0 if sum.is_some() => {}
        guest::STOPPED => cases.push(Case::failed("end", format!("hangs, last line: {last}"))),
        _ if failed && sum.is_some() => {}
        _ => cases.push(Case::failed("end", format!("exit status {status}, last line: {last}"))),
    }
    Run { cases, sum }
}

/// A static program, optimized: what it costs is taken from what it checks.
fn build(paths: &Paths) -> Result<PathBuf> {
    let _lock = lock::hold(&paths.state)?;
    let programs = Programs { packages: &["model"], name: "model", linked: Linked::Statically }.build(paths)?;
    Ok(programs.join("model"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(replay: Option<&str>) -> Plan {
        Plan { first: 3, seeds: 2, ops: 10, replay: replay.map(PathBuf::from), until_failure: false }
    }

    fn failures(text: &str, status: i32) -> Vec<String> {
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let why = |case: Case| match case.outcome {
            Outcome::Failed(why) => Some(format!("{}: {why}", case.name)),
            _ => None,
        };
        read(&lines, status).cases.into_iter().filter_map(why).collect()
    }

    #[test]
    fn a_plan_becomes_arguments() {
        let script = |plan| script(Path::new("/src"), Path::new("/p"), &plan, Path::new("/r"));
        assert!(
            script(plan(None)).contains("guest.sh /src/tools/lab/guest /p --save /r --first 3 --seeds 2 --ops 10\n")
        );
        assert!(script(plan(Some("a.json"))).contains("--replay 'a.json'\n"));
        assert!(script(Plan { until_failure: true, ..plan(None) }).contains("--ops 10 --until-failure\n"));
    }

    #[test]
    fn each_seed_is_a_test() {
        let text = "TAP version 13\n1..2\n# seed 3: well\nok 1 seed 3\nok 2 seed 4\n# model: 20 operations\n";
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let run = read(&lines, 0);
        assert_eq!(run.cases, [Case::passed("seed 3"), Case::passed("seed 4")]);
        assert_eq!(run.sum.as_deref(), Some("20 operations"));
    }

    #[test]
    fn a_failure_says_why() {
        let text = "1..1\n# seed 3: operation 5: wrong byte\nnot ok 1 seed 3\n# model: 20 operations\n";
        assert_eq!(failures(text, 1), ["seed 3: seed 3: operation 5: wrong byte"]);
    }

    #[test]
    fn an_end_that_nothing_explains_fails() {
        assert!(failures("1..1\nok 1 seed 3\n", 0)[0].contains("exit status 0"));
        assert!(failures("1..2\nok 1 seed 3\n", guest::STOPPED).iter().any(|why| why.contains("hangs")));
        assert!(failures("1..1\nok 1 seed 3\n# model: 2 operations\n", 2)[0].contains("exit status 2"));
    }
}
