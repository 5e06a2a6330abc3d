// SPDX-License-Identifier: GPL-2.0

//! What is printed: TAP, one test for each seed.

use crate::failure::Failure;
use crate::ops::Op;
use crate::shared::Sum;
use std::time::Duration;

/// Says what the kernel cannot do, once.
pub fn missing(missing: &[String]) {
    for what in missing {
        println!("# unavailable: {what}");
    }
}

/// The plan.
pub fn plan(seeds: u64) {
    println!("TAP version 13\n1..{seeds}");
}

/// A seed that ran to its end.
pub fn passed(number: u64, seed: u64, sum: Sum, time: Duration) {
    let Sum { done, idle, unavailable } = sum;
    let seconds = time.as_secs_f64();
    println!(
        "# seed {seed}: {done} operations, {idle} had nothing to act on, {unavailable} unavailable, {seconds:.1} s"
    );
    println!("ok {number} seed {seed}");
}

/// A seed that failed. The reason comes last, where those look who read the results.
pub fn failed(number: u64, seed: u64, failure: &Failure) {
    println!("# seed {seed}: {failure}");
    println!("not ok {number} seed {seed}");
}

/// The operations that matter, one a line, as `--replay` reads them.
pub fn shrunk(ops: &[Op], failure: &Failure, trials: u32) {
    println!("# cut down to {} operations in {trials} trials; then {failure}", ops.len());
    for op in ops {
        println!("#   {}", serde_json::to_string(op).unwrap_or_else(|error| error.to_string()));
    }
}

/// What the kernel did meanwhile.
pub fn events(events: &str) {
    println!("# the kernel: {events}");
}

/// The sum.
pub fn sum(seeds: u64, failed: u64, sum: Sum, time: Duration) {
    let Sum { done, idle, unavailable } = sum;
    println!(
        "# model: {done} operations, {seeds} seeds, {failed} failed, {} s; {idle} operations had nothing to act on, \
         {unavailable} were unavailable",
        time.as_secs()
    );
}
