// SPDX-License-Identifier: GPL-2.0

//! Measures what memory with a content costs, from `MAP_REFPAGE` and from its alternatives, and what the kernel's option
//! costs those who do not use it. Prints one line of JSON for each value.

mod args;
mod bench;
mod cgroup;
mod child;
mod clock;
mod content;
mod guest;
mod kernel;
mod mapping;
mod source;
mod uffd;
mod workload;

use anyhow::Result;
use args::Args;
use bench::Bench;
use clap::Parser;
use record::Workload;
use std::process::ExitCode;

fn main() -> ExitCode {
    match run(Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("refbench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> Result<()> {
    let workloads = args.only.clone();
    let mut bench = Bench::new(args)?;
    for workload in workloads {
        match workload {
            Workload::Microbench => workload::microbench::run(&mut bench)?,
            Workload::Fault => workload::fault::run(&mut bench)?,
            Workload::Scale => workload::scale::run(&mut bench)?,
            Workload::ReadFirst => workload::read_first::run(&mut bench)?,
            Workload::Reads => workload::reads::run(&mut bench)?,
            Workload::Everybody => workload::everybody::run(&mut bench)?,
            Workload::Heap => workload::heap::run(&mut bench)?,
            Workload::Tags => workload::tags::run(&mut bench)?,
            Workload::Processor => workload::processor::run(&mut bench)?,
        }
    }
    bench.end()
}
