//! The least that a kernel must do: boot to a shell in its own memory, and off again. It needs neither virtio nor a file
//! system, so that the smallest configuration can do it.

use crate::config::Config;
use crate::{complaints, kernel};
use anyhow::{Context, Result, bail};
use common::cmd;
use common::paths::Paths;
use common::progress::Step;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const SHELL: &str = "/usr/bin/busybox";
/// What the guest says when all is well. It is put together there, so that an echo of the script does not count.
const WORD: &str = "refpage: booted";
const INIT: &str = "#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox sh -c 'echo refpage: boo\"\"ted'
/bin/busybox reboot -f
";

/// Builds and boots.
pub fn run(paths: &Paths, config: Config) -> Result<()> {
    let kernel = kernel::ensure(paths, config)?;
    let log = paths.logs()?.join(format!("boot-{config}.log"));
    let step = Step::begin(format!("booting the {config} kernel"), None);
    let initrd = initrd(&paths.state)?;
    cmd::run(&mut emulator(&kernel.image, &initrd, &log))
        .with_context(|| format!("the guest does not end by itself; its log: {}", paths.shown(&log).display()))?;
    judge(&String::from_utf8_lossy(&fs::read(&log)?))?;
    step.done("");
    Ok(())
}

fn judge(log: &str) -> Result<()> {
    if let Some(first) = complaints::find(log).first() {
        bail!("the kernel complained: {first}");
    }
    if !log.lines().any(|line| line.trim_end() == WORD) {
        bail!("the kernel does not boot: {}", cmd::tail(log, 8));
    }
    Ok(())
}

fn emulator(image: &Path, initrd: &Path, log: &Path) -> Command {
    let mut command = Command::new("timeout");
    command.args(["--signal=KILL", "120", "qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-m", "512M"]);
    command.args(["-smp", "2", "-nodefaults", "-display", "none", "-no-reboot"]);
    command.arg("-serial").arg(format!("file:{}", log.display()));
    command.arg("-kernel").arg(image).arg("-initrd").arg(initrd);
    command.args(["-append", "console=ttyS0 panic=-1 oops=panic ignore_loglevel"]);
    command
}

/// A file system of a shell and the script that it runs.
fn initrd(state: &Path) -> Result<PathBuf> {
    let folder = tempfile::tempdir()?;
    let top = folder.path();
    // What every kernel brings with it has /dev/console.
    for name in ["bin", "proc"] {
        fs::create_dir(top.join(name))?;
    }
    fs::copy(SHELL, top.join("bin/busybox")).with_context(|| format!("there is no {SHELL}"))?;
    fs::write(top.join("init"), INIT)?;
    fs::set_permissions(top.join("init"), fs::Permissions::from_mode(0o755))?;
    let archive = state.join("initrd.cpio");
    let script = "find . | cpio --quiet --create --format=newc >\"$0\"";
    cmd::run(Command::new("sh").current_dir(top).args(["-c", script]).arg(&archive))?;
    Ok(archive)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_that_says_so_has_booted() {
        judge("[    0.1] Linux\r\nrefpage: booted\r\n[    1.0] reboot: Restarting system\r\n").unwrap();
    }

    #[test]
    fn a_kernel_that_stops_or_complains_has_not() {
        assert!(judge("[    0.1] Linux\n").unwrap_err().to_string().contains("does not boot"));
        let log = "[    0.1] WARNING: CPU: 0 PID: 1 at mm/memory.c:1 f+0x1/0x2\nrefpage: booted\n";
        assert!(judge(log).unwrap_err().to_string().contains("complained"));
    }
}
