// SPDX-License-Identifier: GPL-2.0

//! Large blocks of Scudo with memory tags: without any, with tags that the allocator stores, and from mappings that have
//! them. Each row is a process of its own, which measures itself.

use crate::bench::{Bench, Case};
use crate::kernel::HugePages;
use anyhow::{Context, Result, ensure};
use record::{Content, Measure, Way, Workload};
use refmap::page_size;
use serde::Deserialize;
use std::path::Path;
use std::process::Command;

/// The ways, and the words for them. The one to which the others are compared comes first: large blocks have tag 0.
const WAYS: [(Way, &str); 4] =
    [(Way::Plain, "small"), (Way::TagZero, "zero"), (Way::TagStores, "stores"), (Way::Refpage, "refpages")];
/// Bytes of a block. Scudo keeps the first one when it is freed, the others go back to the kernel.
const SIZES: [usize; 3] = [256 << 10, 4 << 20, 64 << 20];
/// How much of a block is used, in tables and as words.
const USES: [(&str, &str); 2] = [("1 page of 1000", "sparse"), ("each page", "dense")];
const SETTINGS: [HugePages; 2] = [HugePages::NEVER, HugePages::ALWAYS];

/// Runs all rows.
pub fn run(bench: &mut Bench) -> Result<()> {
    let folder = bench.args.programs.clone().context("the workload tags needs --programs")?;
    let program = folder.join("largeload");
    for setting in &SETTINGS {
        setting.set()?;
        for size in SIZES {
            for (part, word) in USES {
                let name = format!("{part}, {}", setting.name);
                if bench.args.wants(&name) {
                    rows(bench, &program, size, &name, word)?;
                }
            }
        }
    }
    HugePages::DEFAULT.set()
}

fn rows(bench: &mut Bench, program: &Path, size: usize, name: &str, part: &str) -> Result<()> {
    for (way, tags) in WAYS {
        let case = Case { workload: Workload::Tags, name, size: size / page_size(), way, content: Content::None };
        bench.attempt(case, |bench| {
            let rounds = bench.args.pick(5, 30).to_string();
            let cost = Cost::of(Command::new(program).args(["cost", tags, &size.to_string(), part, &rounds]))?;
            bench.samples(case, Measure::Time, cost.nanoseconds)?;
            bench.exact(case, Measure::PeakRss, cost.resident)?;
            bench.exact(case, Measure::Faults, cost.faults)
        })?;
    }
    Ok(())
}

/// What the program says.
#[derive(Debug, Deserialize, PartialEq)]
struct Cost {
    nanoseconds: Vec<f64>,
    faults: f64,
    resident: f64,
}

impl Cost {
    fn of(command: &mut Command) -> Result<Self> {
        let program = command.get_program().to_string_lossy().into_owned();
        let output = command.output().with_context(|| format!("{program} cannot be started"))?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{program}: {}, {}", output.status, said.trim());
        serde_json::from_slice(&output.stdout).with_context(|| format!("{program} gave no cost"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_is_read() {
        let text = r#"{"nanoseconds":[1.0,2.5],"faults":3,"resident":4096}"#;
        let cost = Cost::of(Command::new("echo").arg(text)).unwrap();
        assert_eq!(cost, Cost { nanoseconds: vec![1.0, 2.5], faults: 3.0, resident: 4096.0 });
    }

    #[test]
    fn a_refusal_is_passed_on() {
        let error = Cost::of(Command::new("sh").args(["-c", "echo no tags >&2; exit 1"])).unwrap_err();
        assert!(error.to_string().ends_with("no tags"), "{error}");
        assert!(Cost::of(Command::new("true").arg("x")).is_err());
    }
}
