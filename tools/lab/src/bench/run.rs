//! Builds the program and the kernels, boots, and reads what the program says.

use super::plan::{Options, Plan, Subject};
use super::results::{Boot, Clock};
use crate::guest::Guest;
use crate::programs::{Linked, Programs};
use crate::{complaints, inputs, kvm};
use anyhow::{Context, Result, bail};
use common::arch::Arch;
use common::cmd;
use common::paths::Paths;
use common::progress::Step;
use record::{Line, Missing, Row};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// A guest that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(3 * 3600);

/// Builds the kernels, then makes all boots, and gives each to `each` when it has ended.
pub fn all(
    paths: &Paths,
    options: &Options,
    program: &str,
    folder: &Path,
    mut each: impl FnMut(Boot) -> Result<()>,
) -> Result<()> {
    let plans = options.plans(paths.arch);
    let images: Vec<PathBuf> = plans.iter().map(|plan| build(paths, plan.subject, folder)).collect::<Result<_>>()?;
    for (plan, image) in plans.into_iter().zip(&images) {
        if let Some((clock, plan)) = clock(paths, plan, image)? {
            each(boot(paths, &plan, clock, image, program, folder)?)?;
        }
    }
    Ok(())
}

/// Builds a kernel and leaves its configuration beside the results.
fn build(paths: &Paths, subject: Subject, folder: &Path) -> Result<PathBuf> {
    let kernel = subject.build(paths)?;
    let copy = folder.join(format!("{}.config", subject.name().replace(' ', "-")));
    fs::copy(kernel.output.join(".config"), copy).context("the kernel's configuration cannot be copied")?;
    Ok(kernel.image)
}

/// Wall time without KVM is worth its time only where ways are compared within one boot and differ much: what kernels and
/// real programs differ by is lost in it.
fn clock(paths: &Paths, plan: Plan, image: &Path) -> Result<Option<(Clock, Plan)>> {
    if !plan.wall {
        return Ok(Some((Clock::Instructions, plan)));
    }
    if kvm::usable(paths, image)? {
        return Ok(Some((Clock::Wall, plan)));
    }
    let compared = paths.arch == Arch::X86_64 && plan.subject == Subject::Demo;
    Ok(plan.without_heap().filter(|_| compared).map(|plan| (Clock::Emulated, plan)))
}

/// Builds the benchmark and what its workloads run, and gives the words that start it, the same for each boot.
pub fn program(paths: &Paths, options: &Options) -> Result<String> {
    let bench = Programs { packages: &["refbench"], name: "bench", linked: Linked::Statically }.build(paths)?;
    let program = bench.join("refbench").display().to_string();
    let packages = options.packages(paths.arch);
    if packages.is_empty() {
        return Ok(program);
    }
    let programs = Programs { packages: &packages, name: "scudo", linked: Linked::Dynamically }.build(paths)?;
    let program = format!("{program} --programs={}", programs.display());
    if !options.needs_inputs(paths.arch) {
        return Ok(program);
    }
    let inputs = inputs::fetch(paths, inputs::Whose::Benchmark)?;
    Ok(format!("{program} --inputs={}", inputs.display()))
}

/// What the processor of this machine takes for the content of a page. That needs no guest.
pub fn processor(paths: &Paths, options: &Options, program: &str) -> Result<Vec<Row>> {
    let Some(arguments) = options.of_processor(paths.arch) else { return Ok(Vec::new()) };
    let step = Step::begin("measuring the processor of this machine", None);
    let mut said = Said::default();
    let lines = cmd::output(Command::new("sh").arg("-c").arg(format!("{program} {}", arguments.join(" "))))?;
    for line in lines.lines() {
        said.take(line);
    }
    said.check(0)?;
    step.done(&format!("{} values", said.rows.len()));
    Ok(said.rows)
}

/// `program` is the benchmark and the words that are the same for each boot.
fn boot(paths: &Paths, plan: &Plan, clock: Clock, image: &Path, program: &str, folder: &Path) -> Result<Boot> {
    let name = plan.name() + clock.mark();
    let log = folder.join(format!("{}.log", name.replace(", ", "-").replace([' ', '='], "-")));
    let guest = Guest {
        icount: clock == Clock::Instructions,
        kvm: clock == Clock::Wall,
        cpus: 1,
        append: plan.append(paths.arch),
        limit: Some(LIMIT),
        ..Guest::new(paths, image, &log)
    };
    let script = paths.repo.join("tools/bench/guest.sh");
    let command = format!("sh {} {} {}", script.display(), program, plan.arguments().join(" "));
    let start = Instant::now();
    let said = listen(&guest, &name, &command)?;
    let host_seconds = start.elapsed().as_secs_f64();
    let Plan { subject, init_on_alloc, round, .. } = *plan;
    let Said { guest, rows, missing, .. } = said;
    let guest = guest.context("the benchmark said nothing of the guest")?;
    Ok(Boot { name, subject, init_on_alloc, round, clock, host_seconds, guest, rows, missing })
}

/// What the program has said so far.
#[derive(Default)]
struct Said {
    guest: Option<record::Guest>,
    rows: Vec<Row>,
    missing: Vec<Missing>,
    others: Vec<String>,
    ended: bool,
}

impl Said {
    fn take(&mut self, text: &str) -> String {
        let key = match serde_json::from_str(text) {
            Ok(Line::Guest(guest)) => {
                self.guest = Some(guest);
                return String::new();
            }
            Ok(Line::End { lines }) => {
                self.ended = lines == self.count() as u64 + 1;
                return String::new();
            }
            Ok(Line::Row(row)) => {
                self.rows.push(row);
                &self.rows[self.rows.len() - 1].key
            }
            Ok(Line::Missing(missing)) => {
                self.missing.push(missing);
                &self.missing[self.missing.len() - 1].key
            }
            Err(_) => {
                self.others.push(text.to_owned());
                return String::new();
            }
        };
        key.to_string()
    }

    fn count(&self) -> usize {
        self.rows.len() + self.missing.len()
    }

    fn check(&self, status: i32) -> Result<()> {
        let last = cmd::tail(&self.others.join("\n"), 5);
        if status != 0 {
            bail!("the benchmark ended with status {status}: {last}");
        }
        if !self.ended {
            bail!("lines of the benchmark got lost: {last}");
        }
        Ok(())
    }
}

fn listen(guest: &Guest, name: &str, command: &str) -> Result<Said> {
    let mut said = Said::default();
    let mut step = Step::begin(format!("measuring: {name}"), None);
    let status = guest.run(command, |line| {
        let note = said.take(line);
        step.set(said.count() as u64, &note);
    })?;
    let complaints = complaints::find(&String::from_utf8_lossy(&fs::read(&guest.log)?));
    if let Some(first) = complaints.first() {
        bail!("the kernel complained: {first}");
    }
    said.check(status)?;
    step.done(&format!("{} values, {} missing", said.rows.len(), said.missing.len()));
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: &str = r#"{"line":"missing","workload":"fault","case":"first load","size":0,"way":"plain",
                          "content":"none","measure":"time","why":"no"}"#;

    fn said(lines: &[&str]) -> Said {
        let mut said = Said::default();
        for line in lines {
            said.take(line);
        }
        said
    }

    #[test]
    fn a_run_that_reached_its_end_is_good() {
        let said = said(&[ROW, r#"{"line":"end","lines":2}"#]);
        assert_eq!(said.missing.len(), 1);
        said.check(0).unwrap();
        assert!(said.check(1).is_err());
    }

    #[test]
    fn lost_lines_are_noticed() {
        assert!(said(&[ROW]).check(0).is_err());
        assert!(said(&[r#"{"line":"end","lines":2}"#]).check(0).is_err());
    }

    #[test]
    fn other_lines_tell_why() {
        let error = said(&["refbench: no memory"]).check(1).unwrap_err().to_string();
        assert!(error.contains("no memory"), "{error}");
    }

    #[test]
    fn a_line_names_what_it_measures() {
        assert_eq!(Said::default().take(ROW), "fault: first load, plain");
    }
}
