//! Runs other programs. A failure becomes one sentence that names the command and its last words.

use anyhow::{Context, Result, bail};
use rustix::pipe::{PipeFlags, pipe_with};
use std::ffi::OsStr;
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// `git` in a folder, untouched by the user's own settings, so that results are the same everywhere.
pub fn git(folder: &Path) -> Command {
    let mut command = Command::new("git");
    command
        .arg("-C")
        .arg(folder)
        .args([
            "-c",
            "safe.directory=*",
            "-c",
            "gc.auto=0",
            "-c",
            "core.autocrlf=false",
            "-c",
            "advice.detachedHead=false",
        ])
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1");
    command
}

/// Runs to the end and gives the standard output, without the newline at its end.
pub fn output(command: &mut Command) -> Result<String> {
    let result = collect(command)?;
    if !result.status.success() {
        bail!("{}", failure(command, &result));
    }
    Ok(String::from_utf8_lossy(&result.stdout).trim_end().to_owned())
}

/// Runs to the end, quietly unless it fails.
pub fn run(command: &mut Command) -> Result<()> {
    output(command).map(drop)
}

/// Runs to the end; a failure of the program is in the result, not an error.
pub fn collect(command: &mut Command) -> Result<Output> {
    command.stdin(Stdio::null()).output().with_context(|| cannot_start(command))
}

/// Starts a program whose output and error output both come out of one pipe.
pub fn merged(mut command: Command) -> Result<(Child, File)> {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    let child = command.spawn().with_context(|| cannot_start(&command))?;
    // The command, which holds the writing ends, ends here: else the reader would wait for ever.
    Ok((child, reader.into()))
}

/// The sentence for a program that is not there.
pub fn cannot_start(command: &Command) -> String {
    format!("`{}` cannot be started", command.get_program().to_string_lossy())
}

/// The command as one would type it.
pub fn shown(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}

fn failure(command: &Command, result: &Output) -> String {
    let text = if result.stderr.trim_ascii().is_empty() { &result.stdout } else { &result.stderr };
    let text = String::from_utf8_lossy(text);
    format!("`{}` failed: {}", shown(command), tail(&text, 5))
}

/// The last lines that are not empty.
pub fn tail(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_the_output() {
        assert_eq!(output(Command::new("echo").arg("a b")).unwrap(), "a b");
    }

    #[test]
    fn a_failure_names_the_command_and_its_last_words() {
        let error = run(Command::new("sh").args(["-c", "echo why >&2; exit 3"])).unwrap_err().to_string();
        assert!(error.starts_with("`sh -c") && error.ends_with("why"), "{error}");
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = run(&mut Command::new("/no/such/program")).unwrap_err().to_string();
        assert!(error.contains("/no/such/program"), "{error}");
    }

    #[test]
    fn both_outputs_come_out_of_one_pipe() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo a; echo b >&2"]);
        let (mut child, mut reader) = merged(command).unwrap();
        let mut text = String::new();
        std::io::Read::read_to_string(&mut reader, &mut text).unwrap();
        assert_eq!(text, "a\nb\n");
        assert!(child.wait().unwrap().success());
    }

    #[test]
    fn tail_skips_empty_lines() {
        assert_eq!(tail("a\n\nb\n\n", 1), "b");
        assert_eq!(tail("", 3), "");
    }
}
