// SPDX-License-Identifier: GPL-2.0

//! Renders pages of a PDF with pdfium, as pdfium's own test program does, and prints one line of
//! JSON: what it cost, a hash of the pixels, and what memory fresh from `malloc` held.

mod args;
mod fresh;
mod pdfium;
mod preload;
mod render;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use anyhow::ensure;
use clap::Parser;
use measure::Cost;
use measure::Stopwatch;
use serde::Serialize;

use args::Args;
use fresh::Fresh;
use pdfium::Pdfium;
use preload::Preload;
use render::Output;

/// The line of output.
#[derive(Debug, Serialize)]
struct Report {
    bench: &'static str,
    way: String,
    granularity: u64,
    #[serde(flatten)]
    output: Output,
    #[serde(flatten)]
    cost: Cost,
    #[serde(flatten)]
    fresh: Fresh,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pdfbench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    let preload = Preload::find()?;
    let pdfium = Pdfium::load(&args.library)?;
    let watch = Stopwatch::start()?;
    let output = render::render(&pdfium, args)?;
    let cost = watch.stop()?;
    let fresh = fresh::check(&preload)?;

    let report =
        Report { bench: "pdfbench", way: preload.way.clone(), granularity: preload.granularity, output, cost, fresh };
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, &report)?;
    writeln!(out)?;
    ensure!(
        report.fresh.fresh_memory_holds,
        "fresh memory from malloc did not hold its content: see \"fresh_memory_holds\" in the line above"
    );
    Ok(())
}
