//! Machines that have no reference pages, but files that the series changes: those compile there as before.

use std::process::Command;

use anyhow::Result;
use common::cmd;
use common::paths::make_folder;

use super::Subject;
use super::build::Build;
use crate::diag;

/// What the series changes everywhere, but for headers, which these include.
const CHANGED: [&str; 3] = ["mm/", "fs/proc/", "kernel/fork.o"];

struct Machine {
    architecture: &'static str,
    config: &'static str,
    /// Options on top of that.
    options: &'static [&'static str],
    /// What else it changes there.
    changed: &'static [&'static str],
}

const MACHINES: [Machine; 3] = [
    // 32 bits, and a memory map without the virtual one.
    Machine {
        architecture: "i386",
        config: "i386_defconfig",
        options: &["SPARSEMEM_MANUAL"],
        changed: &["fs/aio.o", "fs/coredump.o", "ipc/shm.o"],
    },
    // No memory management unit.
    Machine { architecture: "riscv", config: "nommu_virt_defconfig", options: &[], changed: &[] },
    // Caches with aliases.
    Machine { architecture: "mips", config: "malta_defconfig", options: &[], changed: &["arch/mips/kernel/vdso.o"] },
];

/// Errors, and the compiler's warnings about files that the series changes: others warn there without it.
pub fn run(subject: &Subject) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for machine in &MACHINES {
        found.extend(complaints(subject, machine)?);
    }
    Ok(found)
}

fn complaints(subject: &Subject, machine: &Machine) -> Result<Vec<String>> {
    let output = make_folder(subject.output.join(machine.architecture))?;
    let build = Build { output, ..Build::of_tip(subject)? };
    let architecture = format!("ARCH={}", machine.architecture);
    build.build(&[&architecture, machine.config])?;
    for option in machine.options {
        let mut config = Command::new(build.tree.join("scripts/config"));
        cmd::run(config.arg("--file").arg(build.output.join(".config")).args(["--enable", option]))?;
    }
    build.build(&[&architecture, "olddefconfig"])?;
    let log = build.build(&[&[architecture.as_str(), "prepare"], &CHANGED[..], machine.changed].concat())?;
    let ours = subject.files(&[".c", ".h"]);
    let found = diag::find(&log, &build.tree).into_iter().map(|complaint| complaint.shown);
    let found = found.filter(|shown| ours.iter().any(|file| shown.contains(file)));
    Ok(found.map(|shown| format!("{}: {shown}", machine.architecture)).collect())
}
