// SPDX-License-Identifier: GPL-2.0

use anyhow::{Context, Result, bail, ensure};
use record::Way;
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The allocator, and the seed of its layout.
pub struct Preload {
    folder: PathBuf,
    seed: u64,
}

impl Preload {
    /// Asks the program that was built with the library where that is.
    pub fn find(programs: &Path, seed: u64) -> Result<Self> {
        let heapload = programs.join("heapload");
        let output = Command::new(&heapload).arg("folder").output();
        let output = output.with_context(|| format!("{} cannot be started", heapload.display()))?;
        let folder = PathBuf::from(String::from_utf8(output.stdout)?.trim_end());
        ensure!(folder.join("libscudo.so").is_file(), "there is no libscudo.so in {}", folder.display());
        Ok(Self { folder, seed })
    }

    /// The folder with the source of the allocator.
    pub fn source(&self) -> &Path {
        &self.folder
    }

    /// Preloads the allocator, which gets its memory in this way and leaves a report.
    pub fn apply(&self, command: &mut Command, way: Way, report: &Path) {
        command.env("LD_PRELOAD", self.folder.join("libscudo.so"));
        command.env("REFSCUDO_SEED", self.seed.to_string()).env("REFSCUDO_PEAK", "1").env("REFSCUDO_REPORT", report);
        command.env("REFSCUDO_MODE", mode(way));
        if way == Way::RefpageCleared {
            command.env("REFSCUDO_CALLOC", "clear");
        }
        if way == Way::Allocator {
            command.env("SCUDO_OPTIONS", "pattern_fill_contents=1");
        }
    }
}

/// The library's word for where memory comes from.
fn mode(way: Way) -> &'static str {
    match way {
        Way::Memset => "memset",
        Way::Refpage | Way::RefpageCleared => "refpage",
        _ => "none",
    }
}

/// What the library said of a program: of all its processes.
#[derive(Debug, Default, PartialEq)]
pub struct Report {
    /// The most resident memory of a process.
    pub peak_bytes: f64,
    /// Memory that was mapped for blocks.
    pub mapped_bytes: f64,
    /// Memory that was cleared since it does not come as zeros.
    pub cleared_bytes: f64,
}

#[derive(Deserialize)]
struct Line {
    way: String,
    peak_rss_kib: u64,
    fresh_bytes: u64,
    cleared_bytes: u64,
}

impl Report {
    /// Reads the lines of all processes; there must be one, and each must say that it ran in this way.
    pub fn read(path: &Path, way: Way) -> Result<Self> {
        let text = fs::read_to_string(path).context("no process ran on the preloaded allocator")?;
        Self::parse(&text, mode(way))
    }

    fn parse(text: &str, mode: &str) -> Result<Self> {
        let mut report = Self::default();
        for line in text.lines() {
            let line: Line = serde_json::from_str(line).with_context(|| format!("no report: {line}"))?;
            if line.way != mode {
                bail!("a process ran in the way {} instead of {mode}", line.way);
            }
            report.peak_bytes = report.peak_bytes.max(line.peak_rss_kib as f64 * 1024.0);
            report.mapped_bytes += line.fresh_bytes as f64;
            report.cleared_bytes += line.cleared_bytes as f64;
        }
        ensure!(report.peak_bytes > 0.0, "the preloaded allocator saw no memory");
        Ok(report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(way: &str, peak: u64) -> String {
        format!("{{\"way\":\"{way}\",\"peak_rss_kib\":{peak},\"fresh_bytes\":10,\"cleared_bytes\":1}}\n")
    }

    #[test]
    fn the_greatest_process_and_the_sum_of_all_count() {
        let report = Report::parse(&(line("none", 3) + &line("none", 2)), "none").unwrap();
        assert_eq!(report, Report { peak_bytes: 3072.0, mapped_bytes: 20.0, cleared_bytes: 2.0 });
    }

    #[test]
    fn a_run_in_another_way_or_on_another_allocator_is_refused() {
        assert!(Report::parse(&line("none", 3), "refpage").is_err());
        assert!(Report::parse("", "none").is_err());
        assert!(Report::read(Path::new("/nonexistent"), Way::Plain).is_err());
    }
}
