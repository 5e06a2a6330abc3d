//! `rustfmt --check` with the kernel's own settings on every Rust file that the series touches.

use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use common::cmd;

use super::Subject;

pub fn run(subject: &Subject) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for file in subject.files(&[".rs"]) {
        let source = subject.git.bytes(&["cat-file", "blob", &format!("{}:{file}", subject.tip)])?;
        if let Some(complaint) = complaint(subject, &source)? {
            found.push(format!("{file}: run rustfmt on it\n{complaint}"));
        }
    }
    Ok(found)
}

/// From standard input, one file is looked at without the modules that it names.
fn complaint(subject: &Subject, source: &[u8]) -> Result<Option<String>> {
    let mut command = Command::new("rustfmt");
    command.args(["--check", "--config-path"]).arg(subject.git.dir().join(".rustfmt.toml"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| cmd::cannot_start(&command))?;
    // Small enough that rustfmt reads all of it before it writes.
    child.stdin.take().context("rustfmt takes no input")?.write_all(source)?;
    let output = child.wait_with_output()?;
    let text = [output.stdout, output.stderr].concat();
    Ok((!output.status.success()).then(|| String::from_utf8_lossy(&text).trim_end().to_owned()))
}
