//! The demonstration: the microbenchmark of 2021 and a real program's heap, in a guest that counts instructions.

mod chart;
mod measure;
mod table;

use crate::config::Config;
use crate::guest::Guest;
use crate::programs::{Linked, Programs};
use crate::{complaints, inputs, kernel};
use anyhow::{Result, bail};
use common::cmd;
use common::paths::{Paths, make_folder};
use common::progress::Step;
use measure::Figures;
use std::fs;

/// Lines that the programs print: one of the machine, nine of the microbenchmark, three of the PDF.
const LINES: u64 = 13;

/// Sets up what is missing, runs the programs, prints the table and draws the chart.
pub fn run(paths: &Paths, iterations: u32) -> Result<()> {
    let kernel = kernel::ensure(paths, Config::Demo)?;
    let packages = &["microbench", "refheap", "pdfbench"];
    let programs = Programs { packages, name: "demo", linked: Linked::Dynamically }.build(paths)?;
    let inputs = inputs::fetch(paths, inputs::Whose::Demonstration)?;
    let results = make_folder(paths.state.join("demo"))?;
    let script = format!(
        "sh {} {} {} {iterations}",
        paths.repo.join("tools/demo/guest.sh").display(),
        programs.display(),
        inputs.display()
    );
    let guest = Guest { icount: true, ..Guest::new(paths, &kernel.image, &results.join("guest.log")) };
    let lines = measure_in(&guest, &script)?;
    fs::write(results.join("figures.jsonl"), lines.join("\n") + "\n")?;
    let figures = Figures::parse(&lines)?;
    print!("{}", table::text(&figures));
    let chart = results.join("figures.svg");
    chart::draw(&figures, &chart)?;
    println!("chart: {}", paths.shown(&chart).display());
    figures.check()
}

/// Gives the lines of JSON; all other output is passed on.
fn measure_in(guest: &Guest, script: &str) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    let mut others = Vec::new();
    let mut step = Step::begin("measuring in a guest that counts instructions", Some(LINES));
    let status = guest.run(script, |line| {
        let list = if line.starts_with('{') { &mut lines } else { &mut others };
        list.push(line.to_owned());
        step.set(lines.len() as u64, "");
    })?;
    step.done(&format!("{} figures", lines.len()));
    let complaints = complaints::find(&String::from_utf8_lossy(&fs::read(&guest.log)?));
    if let Some(first) = complaints.first() {
        bail!("the kernel complained: {first}");
    }
    if status != 0 {
        bail!("the demonstration ended with status {status}: {}", cmd::tail(&others.join("\n"), 5));
    }
    Ok(lines)
}
