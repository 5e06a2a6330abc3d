// SPDX-License-Identifier: GPL-2.0

//! Settings and requests that are a write to a file.

use crate::ops::{Huge, Ksm};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

const KSM: &str = "/sys/kernel/mm/ksm";
const THP: &str = "/sys/kernel/mm/transparent_hugepage";
/// How long the daemon that merges pages may take for its rounds.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the daemon that makes huge pages may take for its rounds, and for one of them.
const ROUNDS: Duration = Duration::from_secs(1);
const ROUND: Duration = Duration::from_millis(50);
/// Milliseconds that no sequence takes.
const ASLEEP: &str = "600000";

fn read_number(path: &str) -> io::Result<u64> {
    fs::read_to_string(path)?.trim().parse().map_err(io::Error::other)
}

/// Everything as a run must find it: no huge pages, no merging, no limit, and nobody who collapses pages meanwhile.
pub fn reset() -> io::Result<()> {
    for entry in fs::read_dir(THP).into_iter().flatten().flatten() {
        let setting = entry.path().join("enabled");
        if setting.exists() {
            fs::write(setting, "never")?;
        }
    }
    for (file, value) in [
        (format!("{THP}/enabled"), "never"),
        // It has two files. As the other says, which is what a sequence sets.
        (huge_file(largest_kib()?), "inherit"),
        (format!("{THP}/khugepaged/scan_sleep_millisecs"), ASLEEP),
        (format!("{KSM}/run"), "0"),
    ] {
        if Path::new(&file).exists() {
            fs::write(file, value)?;
        }
    }
    Ok(())
}

/// Sets transparent huge pages; 0 KiB means the largest size.
pub fn set_huge(kib: u32, setting: Huge) -> io::Result<()> {
    let word = match setting {
        Huge::Never => "never",
        Huge::Madvise => "madvise",
        Huge::Always => "always",
    };
    fs::write(huge_file(kib), word)
}

/// The size of the largest huge pages.
fn largest_kib() -> io::Result<u32> {
    match read_number(&format!("{THP}/hpage_pmd_size")) {
        Ok(bytes) => u32::try_from(bytes / 1024).map_err(io::Error::other),
        // A kernel without them.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

/// The file of a setting.
pub fn huge_file(kib: u32) -> String {
    if kib == 0 { format!("{THP}/enabled") } else { format!("{THP}/hugepages-{kib}kB/enabled") }
}

/// Waits until the daemon of a folder has done two full rounds, or for so long.
fn two_rounds(folder: &str, patience: Duration) -> io::Result<()> {
    let rounds = format!("{folder}/full_scans");
    let (before, start) = (read_number(&rounds)?, Instant::now());
    // A round that had begun does not count.
    while read_number(&rounds)? < before + 3 && start.elapsed() < patience {
        sleep(Duration::from_millis(2));
    }
    Ok(())
}

/// Lets the daemon merge pages, for two full rounds, or takes merged pages apart.
pub fn ksm(what: Ksm) -> io::Result<()> {
    if what == Ksm::Unmerge {
        return fs::write(format!("{KSM}/run"), "2");
    }
    for (file, value) in [("pages_to_scan", "4096"), ("sleep_millisecs", "1"), ("use_zero_pages", "1"), ("run", "1")] {
        fs::write(format!("{KSM}/{file}"), value)?;
    }
    two_rounds(KSM, PATIENCE)?;
    fs::write(format!("{KSM}/run"), "0")
}

/// Lets the daemon that makes huge pages look at all memory, for two full rounds, and stops it.
pub fn khugepaged() -> io::Result<()> {
    let folder = format!("{THP}/khugepaged");
    for (file, value) in [("pages_to_scan", "65536"), ("alloc_sleep_millisecs", "1"), ("scan_sleep_millisecs", "1")] {
        fs::write(format!("{folder}/{file}"), value)?;
    }
    // There may be no process that it would look at.
    two_rounds(&folder, ROUNDS)?;
    fs::write(format!("{folder}/scan_sleep_millisecs"), ASLEEP)?;
    // It ends the round that it is in.
    sleep(ROUND);
    Ok(())
}

/// Moves pages together.
pub fn compact() -> io::Result<()> {
    fs::write("/proc/sys/vm/compact_memory", "1")
}

/// The folder of this process's memory cgroup.
pub fn cgroup() -> io::Result<PathBuf> {
    let text = fs::read_to_string("/proc/self/cgroup")?;
    let path = text.lines().find_map(|line| line.strip_prefix("0::/")).ok_or(io::ErrorKind::NotFound)?;
    Ok(Path::new("/sys/fs/cgroup").join(path))
}

/// Reclaims so many bytes, or as many as can be.
pub fn reclaim(bytes: usize) -> io::Result<()> {
    match fs::write(cgroup()?.join("memory.reclaim"), bytes.to_string()) {
        Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => Ok(()),
        result => result,
    }
}

/// Lowers the limit so many bytes below the use, and takes it away again.
pub fn squeeze(bytes: usize) -> io::Result<()> {
    let folder = cgroup()?;
    let use_now: usize = fs::read_to_string(folder.join("memory.current"))?.trim().parse().map_err(io::Error::other)?;
    fs::write(folder.join("memory.high"), use_now.saturating_sub(bytes).to_string())?;
    fs::write(folder.join("memory.high"), "max")
}

/// The number of captured pages in use, counted exactly.
pub fn captured_pages() -> io::Result<u64> {
    // Adds up what the processors have counted each for itself.
    let _ = fs::read_to_string("/proc/sys/vm/stat_refresh");
    let text = fs::read_to_string("/proc/vmstat")?;
    let value = text.lines().find_map(|line| line.strip_prefix("nr_refpage "));
    value.and_then(|value| value.trim().parse().ok()).ok_or(io::ErrorKind::NotFound.into())
}
