// SPDX-License-Identifier: GPL-2.0

//! Maps, touches and unmaps memory over and over, in three ways: plain, filled by `memset()`,
//! with `MAP_REFPAGE`. Prints one line of JSON for each row and way.

mod args;
mod row;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use anyhow::anyhow;
use anyhow::ensure;
use clap::Parser;
use refmap::Mapper;

use args::Args;

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("microbench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    // All at first, so that a kernel without the feature is found before minutes of measuring.
    let mappers = args
        .ways
        .iter()
        .map(|&way| Mapper::new(way, args.pattern).map_err(|error| anyhow!("{error}")))
        .collect::<Result<Vec<_>>>()?;

    let mut all_hold = true;
    for &touch in &args.touch {
        for mapper in &mappers {
            let row = row::measure(mapper, args, touch)?;
            all_hold &= row.fresh_memory_holds;
            let mut out = std::io::stdout().lock();
            serde_json::to_writer(&mut out, &row)?;
            writeln!(out)?;
        }
    }
    ensure!(all_hold, "fresh memory did not hold its content: see \"fresh_memory_holds\" in the lines above");
    Ok(())
}
