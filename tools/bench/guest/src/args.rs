// SPDX-License-Identifier: GPL-2.0

use clap::Parser;
use record::Workload;
use std::path::PathBuf;

/// Measures reference pages and their alternatives, and prints one line of JSON for each value.
#[derive(Clone, Debug, Parser)]
pub struct Args {
    /// Fewer rounds and smaller sizes
    #[arg(long)]
    pub quick: bool,

    /// Seed of all random numbers
    #[arg(long, default_value_t = 2020)]
    pub seed: u64,

    /// Only these workloads, in this order: everybody, microbench, fault, scale, read-first, reads, heap, tags,
    /// processor
    #[arg(long, value_delimiter = ',', value_parser = workload,
          default_value = "everybody,microbench,fault,scale,read-first,reads")]
    pub only: Vec<Workload>,

    /// The folder with pdfbench and heapload, which the workload heap needs, or with largeload for the workload tags
    #[arg(long)]
    pub programs: Option<PathBuf>,

    /// Of the workloads reads, heap and tags only the programs that have one of these in their names, as in "threads,manual of R (100)"
    #[arg(long, value_delimiter = ',')]
    pub case: Vec<String>,

    /// The folder with what the programs of the workload heap read
    #[arg(long)]
    pub inputs: Option<PathBuf>,
}

fn workload(text: &str) -> Result<Workload, String> {
    let known = || Workload::ALL.map(Workload::name).join(", ");
    Workload::ALL.into_iter().find(|w| w.name() == text).ok_or_else(|| format!("give some of {}", known()))
}

impl Args {
    /// Whether a program of that name is to run.
    pub fn wants(&self, program: &str) -> bool {
        self.case.is_empty() || self.case.iter().any(|case| program.contains(case))
    }

    /// Gives the first number where the run is quick, else the second.
    pub fn pick<T>(&self, quick: T, full: T) -> T {
        if self.quick { quick } else { full }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_arguments_everything_runs_that_needs_no_other_program() {
        assert_eq!(Args::parse_from(["refbench"]).only, Workload::ALL[..6]);
    }

    #[test]
    fn an_unknown_workload_is_refused_with_the_known_ones() {
        assert!(workload("heaps").unwrap_err().contains("read-first"));
    }

    #[test]
    fn programs_are_picked_by_parts_of_their_names() {
        let wants = |words: &[&str]| Args::parse_from(words).wants("load each page, THP always");
        assert!(wants(&["refbench"]) && wants(&["refbench", "--case=mTHP,THP always"]));
        assert!(!wants(&["refbench", "--case=mTHP,THP never"]));
    }

    #[test]
    fn a_quick_run_takes_the_first_number() {
        let pick = |words: &[&str]| Args::parse_from(words).pick(1, 2);
        assert_eq!((pick(&["refbench", "--quick"]), pick(&["refbench"])), (1, 2));
    }
}
