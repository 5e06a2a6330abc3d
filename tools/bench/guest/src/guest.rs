// SPDX-License-Identifier: GPL-2.0

use crate::args::Args;
use crate::clock::Clock;
use crate::kernel;
use anyhow::{Context, Result};
use procfs::{CpuInfo, Current, Meminfo};
use record::Guest;
use std::fs;

/// Says what machine this is.
pub fn describe(args: &Args, clock: &Clock) -> Result<Guest> {
    let processors = CpuInfo::current().context("/proc/cpuinfo cannot be read")?;
    let memory = Meminfo::current().context("/proc/meminfo cannot be read")?;
    Ok(Guest {
        kernel: text("/proc/sys/kernel/osrelease")?,
        command_line: text("/proc/cmdline")?,
        processor: processors.model_name(0).unwrap_or("unknown").to_owned(),
        processors: processors.num_cores(),
        memory_kib: memory.mem_total / 1024,
        clock_source: text("/sys/devices/system/clocksource/clocksource0/current_clocksource")?,
        tick_ns: clock.tick_ns,
        empty_ticks: clock.empty,
        refpage: kernel::has_refpage(),
        seed: args.seed,
        quick: args.quick,
    })
}

fn text(path: &str) -> Result<String> {
    let text = fs::read_to_string(path).with_context(|| format!("{path} cannot be read"))?;
    Ok(text.trim().to_owned())
}
