// SPDX-License-Identifier: GPL-2.0

//! Puts large blocks of Scudo to use, and to misuse, on a machine with memory tags: what tags for them cost, and which
//! bugs they catch. It runs itself on the library, with the tags that each run is for.

mod block;
mod cost;
mod misuse;

use anyhow::{Context, Result, ensure};
use block::Use;
use clap::{Parser, Subcommand};
use misuse::Misuse;
use refscudo::Tags;
use std::process::{Command, ExitCode, Output};

#[derive(Parser)]
#[command(about)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Allocate, use and free blocks, and print what that costs, a line of JSON
    Cost {
        /// What has tags: small, zero, stores, refpages
        #[arg(value_parser = tags)]
        tags: Tags,
        #[command(flatten)]
        load: Load,
    },
    /// The same in the process that runs on the library
    #[command(hide = true)]
    Measure {
        #[command(flatten)]
        load: Load,
    },
    /// Test that misuse of a large block is caught where it has tags and nowhere else, and print the results as TAP
    Test,
    /// One misuse, in the process that runs on the library
    #[command(hide = true)]
    Commit {
        #[command(flatten)]
        misuse: Misuse,
    },
}

#[derive(clap::Args, Clone, Copy)]
struct Load {
    /// Bytes of a block
    size: usize,
    /// How much of it is touched
    #[arg(value_enum)]
    part: Use,
    /// How often it is measured
    rounds: usize,
}

fn tags(text: &str) -> Result<Tags, String> {
    let known = || Tags::ALL.map(Tags::name).join(", ");
    Tags::ALL.into_iter().find(|tags| tags.name() == text).ok_or_else(|| format!("give one of {}", known()))
}

fn main() -> ExitCode {
    match run(Cli::parse().verb) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("largeload: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(verb: Verb) -> Result<bool> {
    match verb {
        Verb::Cost { tags, load: Load { size, part, rounds } } => {
            let words = ["measure", &size.to_string(), part.name(), &rounds.to_string()];
            let output = itself(tags, &words)?;
            let said = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.success(), "with tags by {}: {}, {said}", tags.name(), output.status);
            print!("{}", String::from_utf8_lossy(&output.stdout));
            Ok(true)
        }
        Verb::Measure { load: Load { size, part, rounds } } => cost::measure(size, part, rounds).map(|()| true),
        Verb::Test => misuse::test(),
        Verb::Commit { misuse } => {
            println!("{}", misuse.commit());
            Ok(true)
        }
    }
}

/// Runs this program once more, on the library.
fn itself(tags: Tags, words: &[&str]) -> Result<Output> {
    let program = std::env::current_exe().context("this program does not know where it is")?;
    let mut command = Command::new(program);
    tags.apply(command.args(words)).output().context("this program cannot be started again")
}
