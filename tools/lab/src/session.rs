//! `lab run` and `lab shell`: a guest for the user, and a look at its log afterwards.

use crate::guest::Guest;
use crate::{Machine, complaints, kernel, kvm};
use anyhow::Result;
use common::paths::{Paths, make_folder};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

/// Runs a command and gives its exit status, or 1 where the kernel complained.
pub fn run(paths: &Paths, machine: &Machine, command: &str) -> Result<ExitCode> {
    let guest = boot(paths, machine)?;
    let mut out = std::io::stdout().lock();
    let status = guest.run(command, |line| {
        // Whoever reads may have left; the guest runs on.
        let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    })?;
    judge(paths, &guest.log, status)
}

/// Gives a shell.
pub fn shell(paths: &Paths, machine: &Machine) -> Result<ExitCode> {
    let guest = boot(paths, machine)?;
    let status = guest.shell()?;
    judge(paths, &guest.log, status)
}

fn boot(paths: &Paths, machine: &Machine) -> Result<Guest> {
    let kernel = kernel::ensure(paths, machine.config)?;
    let log = paths.logs()?.join(format!("guest-{}-{}.log", machine.config, std::process::id()));
    Ok(Guest {
        kvm: kvm::usable(paths, &kernel.image)?,
        cpus: machine.cpus,
        memory: machine.memory.clone(),
        append: machine.append.clone(),
        icount: machine.icount,
        mte: !machine.no_mte,
        writable: vec![paths.repo.clone(), make_folder(paths.state.join("guest"))?],
        folder: paths.repo.clone(),
        ..Guest::new(paths, &kernel.image, &log)
    })
}

fn judge(paths: &Paths, log: &Path, status: i32) -> Result<ExitCode> {
    let complaints = complaints::find(&String::from_utf8_lossy(&fs::read(log)?));
    if complaints.is_empty() {
        if status == 0 {
            fs::remove_file(log)?;
        } else {
            eprintln!("lab: exit status {status}; the kernel's log: {}", paths.shown(log).display());
        }
        return Ok(ExitCode::from(u8::try_from(status).unwrap_or(1)));
    }
    for complaint in &complaints {
        eprintln!("{complaint}\n");
    }
    eprintln!("lab: the kernel complained; its whole log: {}", paths.shown(log).display());
    Ok(ExitCode::FAILURE)
}
