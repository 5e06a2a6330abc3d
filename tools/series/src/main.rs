//! Export, check and apply the patch series.

mod am;
mod b4_config;
mod b4_setup;
mod base;
mod bases;
mod bisect;
mod chain;
mod check;
mod cli;
mod diag;
mod export;
mod fold;
mod git;
mod lab;
mod list;
mod mbox;
mod mutate;
mod patch;
mod project;
mod scratch;
mod sync;
mod text;
mod views;

use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("series: {error:#}");
            ExitCode::FAILURE
        }
    }
}
