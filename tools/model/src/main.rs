// SPDX-License-Identifier: GPL-2.0

//! Checks `MAP_REFPAGE` by random operations, each compared with a model in ordinary memory. Runs as root in a guest.

mod arena;
mod content;
mod exec;
mod failure;
mod generator;
mod kernel;
mod model;
mod ops;
mod process;
mod replay;
mod report;
mod runner;
mod shared;
mod shrink;

use anyhow::{Result, anyhow, ensure};
use clap::Parser;
use failure::Failure;
use kernel::events::Events;
use kernel::facility::Facilities;
use nix::unistd::{SysconfVar, sysconf};
use ops::{Op, PAGE, Sequence};
use runner::Runner;
use shared::Sum;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Trials of a candidate: what depends on time does not fail each time.
const TRIES: u32 = 2;

#[derive(Parser)]
#[command(about, version)]
struct Args {
    /// The first seed
    #[arg(long, default_value_t = 1)]
    first: u64,
    /// The number of seeds
    #[arg(long, default_value_t = 4)]
    seeds: u64,
    /// Operations of each seed
    #[arg(long, default_value_t = 2000)]
    ops: usize,
    /// Run the sequence of this file, in place of those of seeds
    #[arg(long)]
    replay: Option<PathBuf>,
    /// Save failing sequences, whole and cut down, in this folder
    #[arg(long)]
    save: Option<PathBuf>,
    /// Stop at the first seed that fails, and do not cut its sequence down
    #[arg(long)]
    until_failure: bool,
    /// Cut a failing sequence down for at most so many seconds
    #[arg(long, default_value_t = 180)]
    shrink_seconds: u64,
    /// Take a process that ends no operation for so many seconds for one that hangs
    #[arg(long, default_value_t = 180)]
    patience: u64,
    /// A block device for direct I/O, whose content is lost
    #[arg(long)]
    disk: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("model: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Gives whether all passed.
fn run(args: &Args) -> Result<bool> {
    let size = sysconf(SysconfVar::PAGE_SIZE)?.unwrap_or(0);
    ensure!(size == PAGE as i64, "pages here have {size} bytes: run this on a kernel whose pages have {PAGE}");
    let machine = Facilities::probe(args.disk.as_deref());
    let mut runner =
        Runner::new(machine, Duration::from_secs(args.patience)).map_err(|failure| anyhow!(failure.what))?;
    let sequences = sequences(args)?;
    let (start, mut sum, mut failed) = (Instant::now(), Sum::default(), 0);
    let events = Events::now()?;
    report::plan(sequences.len() as u64);
    report::missing(&runner.missing());
    let count = sequences.len() as u64;
    for (number, sequence) in (1..).zip(sequences) {
        let begin = Instant::now();
        let sequence = sequence?;
        let (done, result) = runner.run(&sequence);
        sum += done;
        match result {
            Ok(()) => report::passed(number, sequence.seed, done, begin.elapsed()),
            Err(failure) => {
                failed += 1;
                if args.until_failure {
                    report::failed(number, sequence.seed, &failure);
                    break;
                }
                cut_down(args, &mut runner, &sequence, &failure)?;
                report::failed(number, sequence.seed, &failure);
            }
        }
    }
    report::events(&Events::now()?.since(&events));
    report::sum(count, failed, sum, start.elapsed());
    Ok(failed == 0)
}

/// What is run, each made when its turn comes.
fn sequences(args: &Args) -> Result<Box<dyn ExactSizeIterator<Item = Result<Sequence>>>> {
    if let Some(path) = &args.replay {
        return Ok(Box::new(std::iter::once(replay::load(path))));
    }
    let (first, ops) = (args.first, args.ops);
    let seeds = 0..usize::try_from(args.seeds)?;
    Ok(Box::new(seeds.map(move |index| Ok(generator::sequence(first + index as u64, ops)))))
}

/// Finds the operations that matter, prints and saves them.
fn cut_down(args: &Args, runner: &mut Runner, sequence: &Sequence, failure: &Failure) -> Result<()> {
    let start = Instant::now();
    let limit = Duration::from_secs(args.shrink_seconds);
    let (mut last, mut trials) = (failure.clone(), 0);
    // What comes after the operation that failed does not matter.
    let reached = failure.path.first().map_or(sequence.ops.len(), |index| index + 1).min(sequence.ops.len());
    let ops = shrink::shrink(&sequence.ops[..reached], |ops: &[Op]| {
        if start.elapsed() > limit {
            return None;
        }
        let candidate = Sequence { ops: ops.to_vec(), ..*sequence };
        trials += 1;
        let same = (0..TRIES).find_map(|_| runner.run(&candidate).1.err().filter(|found| found.kind == failure.kind));
        let fails = same.is_some();
        last = same.unwrap_or_else(|| last.clone());
        Some(fails)
    });
    report::shrunk(&ops, &last, trials);
    if let Some(folder) = &args.save {
        replay::save(folder, &format!("seed-{}", sequence.seed), sequence)?;
        let path = replay::save(folder, &format!("seed-{}-cut", sequence.seed), &Sequence { ops, ..*sequence })?;
        println!("# saved as {}", path.display());
    }
    Ok(())
}
