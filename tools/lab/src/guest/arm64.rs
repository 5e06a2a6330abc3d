//! A guest of another architecture than this root file system's.
//!
//! It has that file system as its root all the same. Programs of its own architecture lie there beside the others; what
//! starts first, `tools/lab/guest/init-arm64`, puts some of them in the place of those that cannot run.

use super::{DIED, Guest, STOPPED};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

const INIT: &str = "/src/tools/lab/guest/init-arm64";
const ROOT: &str = "root=/dev/root rootfstype=9p ro rootflags=version=9p2000.L,trans=virtio,cache=loose,msize=512000";

/// Adds QEMU and its options. Without a script the guest gives a shell.
pub fn describe(guest: &Guest, script: Option<&str>, command: &mut Command) {
    let mte = if guest.mte { "on" } else { "off" };
    command.args(["qemu-system-aarch64", "-M", &format!("virt,gic-version=3,mte={mte}"), "-cpu", "max"]);
    command.args(["-accel", "tcg", "-m", &guest.memory, "-smp", &guest.cpus().to_string()]);
    command.args(["-nodefaults", "-display", "none", "-no-reboot"]);
    if guest.icount {
        command.args(super::ICOUNT.split(' '));
    }
    for node in 0..guest.nodes {
        command.args(["-object", &format!("memory-backend-ram,id=m{node},size={}M", 4096 / guest.nodes)]);
        command.args(["-numa", &format!("node,nodeid={node},cpus={node},memdev=m{node}")]);
    }
    // The kernel's messages, what the script prints, and its exit status.
    command.arg("-serial").arg(format!("file:{}", guest.log.display()));
    command.args(["-device", "virtio-serial-pci", "-chardev", "stdio,id=out,signal=off"]);
    command.args(["-device", "virtconsole,chardev=out"]);
    command.arg("-chardev").arg(format!("file,id=status,path={}", note(&guest.log).display()));
    command.args(["-device", "virtserialport,chardev=status,name=status"]);
    share(command, Path::new("/"), "/dev/root", true);
    for (number, folder) in guest.writable.iter().enumerate() {
        share(command, folder, &format!("writable{number}"), false);
    }
    command.arg("-kernel").arg(&guest.image).args(["-append", &words(guest, script)]);
}

fn share(command: &mut Command, folder: &Path, tag: &str, read_only: bool) {
    let id = tag.rsplit('/').next().unwrap_or(tag);
    let read_only = if read_only { "on" } else { "off" };
    let options = format!("local,id={id},security_model=none,multidevs=remap,readonly={read_only}");
    command.arg("-fsdev").arg(format!("{options},path={}", folder.display()));
    command.args(["-device", &format!("virtio-9p-pci,fsdev={id},mount_tag={tag}")]);
}

/// The kernel's command line. What comes after the dashes goes to the first program.
fn words(guest: &Guest, script: Option<&str>) -> String {
    let mut words = format!("console=ttyAMA0 panic=-1 oops=panic ignore_loglevel {ROOT} init={INIT}");
    for word in &guest.append {
        words = format!("{words} {word}");
    }
    words = format!("{words} -- {} \"{}\"", guest.folder.display(), script.unwrap_or("-"));
    for folder in &guest.writable {
        words = format!("{words} {}", folder.display());
    }
    words
}

fn note(log: &Path) -> PathBuf {
    log.with_extension("status")
}

/// The script's exit status, which a guest that died did not leave.
pub fn status(log: &Path, ended: ExitStatus) -> Result<i32> {
    let note = note(log);
    let text =
        fs::read_to_string(&note).with_context(|| format!("QEMU did not start, {} is missing", note.display()))?;
    fs::remove_file(note)?;
    Ok(match (ended.code(), text.trim().parse()) {
        (Some(137), _) => STOPPED,
        (_, Ok(status)) => status,
        (_, Err(_)) => DIED,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    #[test]
    fn a_guest_that_leaves_no_status_died() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("guest.log");
        let with = |text: &str, ended| {
            fs::write(note(&log), text).unwrap();
            status(&log, ExitStatus::from_raw(ended)).unwrap()
        };
        assert_eq!(with("3\n", 0), 3);
        assert_eq!(with("", 0), DIED);
        assert_eq!(with("", 137 << 8), STOPPED);
        assert!(status(&log, ExitStatus::from_raw(0)).is_err());
    }
}
