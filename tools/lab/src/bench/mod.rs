//! The benchmark: what reference pages cost, what their alternatives cost, and what everybody else pays.

mod agreement;
mod bars;
mod charts;
mod host;
mod pivot;
mod plan;
mod results;
mod run;
mod tables;
mod wall;

pub use plan::Options;

use anyhow::Result;
use common::paths::{Paths, make_folder};
use results::Results;
use std::fs;
use std::path::Path;

/// Measures, and leaves results, tables and charts in one folder: after each boot, so that little is lost where one fails.
pub fn run(paths: &Paths, options: &Options) -> Result<()> {
    let name = if options.quick { "bench-quick" } else { "bench" };
    let folder = paths.state.join(paths.arch.named(name));
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    let folder = make_folder(folder)?;
    let program = run::program(paths, options)?;
    let processor = run::processor(paths, options, &program)?;
    let mut results = Results { host: host::describe(&paths.repo)?, processor, boots: Vec::new() };
    write(&results, &folder)?;
    run::all(paths, options, &program, &folder, |boot| {
        results.boots.push(boot);
        write(&results, &folder)
    })?;
    print!("{}", tables::bars(&results));
    println!("results, tables and charts: {}", paths.shown(&folder).display());
    Ok(())
}

fn write(results: &Results, folder: &Path) -> Result<()> {
    fs::write(folder.join("results.json"), serde_json::to_string_pretty(results)? + "\n")?;
    let charts = charts::draw(results, folder)?;
    fs::write(folder.join("results.md"), tables::text(results, &charts))?;
    Ok(())
}
