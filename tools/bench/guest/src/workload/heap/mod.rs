// SPDX-License-Identifier: GPL-2.0

//! Real programs, with Scudo preloaded that gets its memory in different ways. A value is that of the whole process, from
//! start to end, and of its children. What the program computes must be the same in all ways.

mod preload;
mod program;

use crate::bench::{Bench, Case};
use crate::kernel;
use anyhow::{Context, Result, ensure};
use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use preload::{Preload, Report};
use program::Program;
use record::{Content, Measure, Way, Workload};
use std::process::Command;

/// The way to which the others are compared comes first.
const WAYS: [Way; 5] = [Way::Plain, Way::Memset, Way::Refpage, Way::RefpageCleared, Way::Allocator];
/// The first ones, for programs that take long.
const FEW: &[Way] = &[Way::Plain, Way::Memset, Way::Refpage];

/// Runs all rows.
pub fn run(bench: &mut Bench) -> Result<()> {
    let folder = |folder: &Option<_>| folder.clone().context("the workload heap needs --programs and --inputs");
    let (programs, inputs) = (folder(&bench.args.programs)?, folder(&bench.args.inputs)?);
    let preload = Preload::find(&programs, bench.args.seed)?;
    let all = program::all(&programs, &inputs, preload.source(), bench.args.quick);
    let chosen: Vec<Program> = all.into_iter().filter(|program| bench.args.wants(&program.title())).collect();
    let alone = bench.args.only.len() == 1;
    ensure!(
        !chosen.is_empty() || !alone,
        "no program of the workload heap has one of {:?} in its name",
        bench.args.case
    );
    for program in &chosen {
        rows(bench, &preload, program)?;
    }
    Ok(())
}

fn rows(bench: &mut Bench, preload: &Preload, program: &Program) -> Result<()> {
    // What is read from the disk would cost whoever comes first.
    program.read_files()?;
    let mut product = None;
    if program.rehearsed {
        product = Some(once(preload, program, Way::Plain)?.product);
    }
    for &way in program.ways {
        let content = if way == Way::Plain { Content::None } else { Content::Byte };
        let case = Case { workload: Workload::Heap, name: program.name, size: program.size, way, content };
        if matches!(way, Way::Refpage | Way::RefpageCleared) {
            if let Err(why) = kernel::has_refpage() {
                bench.missing(case, Measure::Time, &why)?;
                continue;
            }
        }
        let runs = (0..program.rounds).map(|_| once(preload, program, way)).collect::<Result<Vec<_>>>()?;
        for run in &runs {
            let first = product.get_or_insert_with(|| run.product.clone());
            ensure!(run.product == *first, "{}, {}: {}, not {first}", program.title(), way.name(), run.product);
        }
        for (measure, value) in MEASURES {
            bench.samples(case, measure, runs.iter().map(value).collect())?;
        }
    }
    Ok(())
}

/// What a run of a program gave.
struct Run {
    product: String,
    nanoseconds: f64,
    faults: f64,
    report: Report,
}

type Value = fn(&Run) -> f64;

const MEASURES: [(Measure, Value); 5] = [
    (Measure::Time, |run| run.nanoseconds),
    (Measure::PeakRss, |run| run.report.peak_bytes),
    (Measure::Faults, |run| run.faults),
    (Measure::Mapped, |run| run.report.mapped_bytes),
    (Measure::Cleared, |run| run.report.cleared_bytes),
];

fn once(preload: &Preload, program: &Program, way: Way) -> Result<Run> {
    let folder = program::scratch()?;
    let mut command = Command::new(&program.words[0]);
    command.args(&program.words[1..]).current_dir(folder.path());
    command.env_clear().env("PATH", "/usr/bin:/bin").envs(program.variables.iter().cloned());
    let report = folder.path().join("report");
    preload.apply(&mut command, way, &report);

    let before = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let output = command.output().with_context(|| format!("{} cannot be started", program.words[0]))?;
    let after = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}, {}: {}, {said}", program.title(), way.name(), output.status);
    let product =
        (program.product)(&output.stdout, folder.path()).with_context(|| format!("{}: {said}", program.name))?;
    Ok(Run {
        product,
        nanoseconds: nanoseconds(&after) - nanoseconds(&before),
        faults: (after.minor_page_faults() - before.minor_page_faults()) as f64,
        report: Report::read(&report, way)?,
    })
}

/// Processor time of the children that have ended. It is exact: the kernel only splits it by an estimate.
fn nanoseconds(usage: &Usage) -> f64 {
    (usage.user_time() + usage.system_time()).num_nanoseconds() as f64
}
