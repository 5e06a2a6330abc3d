//! Boots a kernel on this root file system: with virtme-ng, or, where it is of another architecture, with [`arm64`].

mod arm64;

use anyhow::{Context, Result};
use common::arch::Arch;
use common::cmd;
use common::paths::Paths;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

/// Without KVM, string instructions of this kind would be emulated byte by byte, at a cost out of proportion.
const TCG: &str = "-cpu max,family=25,-erms,-fsrm";
/// The guest's root is not written to while it runs, so the guest may cache it: programs start much sooner.
const ROOT: &str = "rootflags=version=9p2000.L,trans=virtio,access=any,cache=loose,msize=512000";
const ICOUNT: &str = "-icount shift=1,sleep=off";

/// The status of a guest that ended without one, as after a panic.
pub const DIED: i32 = 255;
/// The status of a guest that had to be stopped.
pub const STOPPED: i32 = 124;

/// A guest to boot.
pub struct Guest {
    /// What the kernel was built for.
    pub arch: Arch,
    /// Memory tags, where the architecture has them.
    pub mte: bool,
    /// The kernel.
    pub image: PathBuf,
    /// The file that gets the kernel's log.
    pub log: PathBuf,
    /// Use KVM.
    pub kvm: bool,
    /// Number of processors.
    pub cpus: u32,
    /// Memory, in the words of QEMU.
    pub memory: String,
    /// Number of memory nodes, each with one processor and its part of 4 GB: 0 for a machine without.
    pub nodes: u32,
    /// More words for the kernel's command line.
    pub append: Vec<String>,
    /// Let the guest's clock count instructions.
    pub icount: bool,
    /// Folders that the guest may write to.
    pub writable: Vec<PathBuf>,
    /// The working folder.
    pub folder: PathBuf,
    /// Stop the guest after this time.
    pub limit: Option<Duration>,
}

impl Guest {
    /// A guest of two processors and 4 GB.
    pub fn new(paths: &Paths, image: &Path, log: &Path) -> Self {
        Self::of(paths.arch, image, log)
    }

    fn of(arch: Arch, image: &Path, log: &Path) -> Self {
        Self {
            arch,
            mte: true,
            image: image.to_owned(),
            log: log.to_owned(),
            kvm: false,
            cpus: 2,
            memory: "4G".into(),
            nodes: 0,
            append: Vec::new(),
            icount: false,
            writable: Vec::new(),
            folder: "/".into(),
            limit: None,
        }
    }

    /// Runs a shell command as root, gives each line of its output to `each`, and gives its exit status.
    pub fn run(&self, command: &str, mut each: impl FnMut(&str)) -> Result<i32> {
        fs::write(&self.log, "")?;
        // By a file, which the guest sees too: the kernel's command line, which carries a script, has room for few words.
        let script = self.log.with_extension("sh");
        fs::write(&script, command)?;
        let (mut child, reader) = cmd::merged(self.command(Some(&format!("sh {}", script.display()))))?;
        let mut reader = BufReader::new(reader);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line)? > 0 {
            each(String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']));
            line.clear();
        }
        let ended = child.wait()?;
        let status = match self.arch {
            Arch::X86_64 => status(ended),
            Arch::Arm64 => arm64::status(&self.log, ended)?,
        };
        fs::remove_file(script)?;
        Ok(status)
    }

    /// Boots into a shell on this terminal.
    pub fn shell(&self) -> Result<i32> {
        fs::write(&self.log, "")?;
        let mut command = self.command(None);
        let ended = command.status().with_context(|| cmd::cannot_start(&command))?;
        match self.arch {
            Arch::X86_64 => Ok(status(ended)),
            Arch::Arm64 => arm64::status(&self.log, ended),
        }
    }

    fn command(&self, script: Option<&str>) -> Command {
        let mut command = self.launcher(script.is_some());
        if self.arch == Arch::Arm64 {
            arm64::describe(self, script, &mut command);
            return command;
        }
        command.arg("vng");
        command.args(["--run".as_ref(), self.image.as_os_str()]);
        command.args(["--force-9p", "--user", "root", "--cpus", &self.cpus().to_string(), "--memory", &self.memory]);
        command.arg("--cwd").arg(&self.folder);
        if !self.kvm() {
            command.arg("--disable-kvm");
        }
        for node in 0..self.nodes {
            command.arg("--numa").arg(format!("{}M,cpus={node}", 4096 / self.nodes));
        }
        for folder in &self.writable {
            // With both paths: virtme-ng takes a single one as relative to the current folder.
            command.arg(format!("--rwdir={0}={0}", folder.display()));
        }
        for word in self.append.iter().map(String::as_str).chain([ROOT, "ignore_loglevel"]) {
            command.args(["--append", word]);
        }
        command.arg(format!("--qemu-opts={}", self.qemu_options(script.is_some())));
        if let Some(script) = script {
            command.args(["--exec", script]);
        }
        command
    }

    /// Puts the guest in a process namespace of its own: when the launcher ends, for whatever reason, so does QEMU.
    fn launcher(&self, bounded: bool) -> Command {
        let mut command = Command::new("timeout");
        let seconds = self.limit.filter(|_| bounded).map_or(0, |limit| limit.as_secs());
        command.args(["--foreground", "--signal=KILL", &seconds.to_string()]);
        command.args(["unshare", "--pid", "--fork", "--kill-child"]);
        command
    }

    /// virtme-ng sends the kernel's messages to nowhere (with a script) or to the error output (with a shell).
    fn qemu_options(&self, script: bool) -> String {
        let console = if script { "console" } else { "dmesg" };
        let mut options = format!("-set chardev.{console}.path={}", self.log.display());
        // One socket a node: a processor package that spans nodes is no machine that the kernel believes in.
        let sockets = format!("-smp {0},sockets={0},cores=1,threads=1", self.nodes);
        for (wanted, option) in [(!self.kvm(), TCG), (self.icount, ICOUNT), (self.nodes > 0, &sockets)] {
            if wanted {
                options = format!("{options} {option}");
            }
        }
        options
    }

    fn cpus(&self) -> u32 {
        if self.icount { 1 } else { self.cpus }
    }

    fn kvm(&self) -> bool {
        self.kvm && !self.icount
    }
}

fn status(status: ExitStatus) -> i32 {
    match status.code() {
        Some(137) => STOPPED,
        Some(code) => code,
        None => status.signal().map_or(DIED, |signal| 128 + signal),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(guest: &Guest, script: Option<&str>) -> String {
        cmd::shown(&guest.command(script))
    }

    fn guest() -> Guest {
        Guest::of(Arch::X86_64, Path::new("/k"), Path::new("/log"))
    }

    #[test]
    fn without_kvm_string_instructions_are_not_emulated() {
        let words = words(&guest(), Some("true"));
        assert!(words.contains("--disable-kvm") && words.contains(TCG), "{words}");
    }

    #[test]
    fn with_kvm_nothing_is_emulated() {
        let words = words(&Guest { kvm: true, ..guest() }, Some("true"));
        assert!(!words.contains("--disable-kvm") && !words.contains(TCG), "{words}");
    }

    #[test]
    fn counting_instructions_takes_one_processor_and_no_kvm() {
        let words = words(&Guest { kvm: true, icount: true, cpus: 4, ..guest() }, Some("true"));
        assert!(words.contains(ICOUNT) && words.contains("--cpus 1 ") && words.contains("--disable-kvm"), "{words}");
    }

    #[test]
    fn each_memory_node_has_a_socket() {
        let words = words(&Guest { nodes: 2, ..guest() }, Some("true"));
        assert!(words.contains("--numa 2048M,cpus=1") && words.contains("-smp 2,sockets=2"), "{words}");
    }

    #[test]
    fn an_arm64_guest_has_tags_unless_told_otherwise() {
        let guest = Guest { arch: Arch::Arm64, writable: vec!["/w".into()], ..guest() };
        let words = words(&guest, Some("sh /s"));
        assert!(words.contains("qemu-system-aarch64 -M virt,gic-version=3,mte=on "), "{words}");
        assert!(words.ends_with("-- / \"sh /s\" /w") && !words.contains("vng"), "{words}");
        let words = cmd::shown(&Guest { mte: false, ..guest }.command(None));
        assert!(words.contains("mte=off") && words.ends_with("-- / \"-\" /w"), "{words}");
    }

    #[test]
    fn a_limit_bounds_scripts_but_no_shell() {
        let guest = Guest { limit: Some(Duration::from_secs(7)), ..guest() };
        assert!(words(&guest, Some("true")).contains("--signal=KILL 7 "));
        assert!(words(&guest, None).contains("--signal=KILL 0 "));
    }
}
