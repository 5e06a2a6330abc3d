//! Whether guests can use KVM. A device file is no proof: only a guest that boots is.

use crate::guest::Guest;
use anyhow::Result;
use common::arch::Arch;
use common::paths::Paths;
use common::progress::Step;
use std::fs::{self, OpenOptions};
use std::path::Path;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

/// Gives the answer, finding it out once after each start of this machine.
pub fn usable(paths: &Paths, image: &Path) -> Result<bool> {
    if paths.arch != Arch::X86_64 || OpenOptions::new().read(true).write(true).open("/dev/kvm").is_err() {
        return Ok(false);
    }
    let note = paths.cache.join("kvm");
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    if let Some(answer) = read(&fs::read_to_string(&note).unwrap_or_default(), boot.trim()) {
        return Ok(answer);
    }
    let step = Step::begin("trying KVM", None);
    let log = paths.logs()?.join("kvm.log");
    let guest =
        Guest { kvm: true, cpus: 1, memory: "512M".into(), limit: Some(PATIENCE), ..Guest::new(paths, image, &log) };
    let answer = guest.run("true", |_| {})? == 0;
    step.done(if answer { "works" } else { "does not work: guests run under TCG" });
    fs::write(note, format!("{} {answer}\n", boot.trim()))?;
    Ok(answer)
}

fn read(note: &str, boot: &str) -> Option<bool> {
    let (of, answer) = note.trim().split_once(' ')?;
    if of == boot { answer.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_holds_until_the_next_start() {
        assert_eq!(read("b1 false\n", "b1"), Some(false));
        assert_eq!(read("b1 true\n", "b2"), None);
        assert_eq!(read("", "b1"), None);
    }
}
