//! Streams a source archive into a git repository: one commit, one pack, the same id everywhere.

use crate::{cmd, progress::Step};
use anyhow::{Context, Result, bail};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::process::{Child, Command, Stdio};

const IDENTITY: &str = "Linux <linux@localhost> 1767225600 +0000";

/// Imports the archive `linux-source-*.tar.xz` of a Debian package as branch `base` of a new bare repository.
pub fn import(deb: &Path, git_dir: &Path, version: &str) -> Result<()> {
    cmd::run(Command::new("git").args(["init", "-q", "--bare", "--initial-branch=base"]).arg(git_dir))?;
    cmd::run(cmd::git(git_dir).args(["config", "gc.auto", "0"]))?;
    let mut archive = unpack(deb)?;
    let mut git = fast_import(git_dir)?;
    let input = archive.stdout.take().context("no pipe from the archive")?;
    let sink = git.stdin.take().context("no pipe to git")?;
    let written = write_commit(input, BufWriter::with_capacity(1 << 20, sink), version);
    let fine = archive.wait()?.success() & git.wait()?.success();
    written?;
    if !fine {
        bail!("{} could not be imported: remove it and try again", deb.display());
    }
    Ok(())
}

fn unpack(deb: &Path) -> Result<Child> {
    let script = r#"set -o pipefail; dpkg-deb --fsys-tarfile "$1" | tar -xO --wildcards '*.tar.xz' | xz -dcT0"#;
    let mut command = Command::new("bash");
    command.args(["-c", script, "unpack"]).arg(deb).stdout(Stdio::piped());
    command.spawn().with_context(|| cmd::cannot_start(&command))
}

fn fast_import(git_dir: &Path) -> Result<Child> {
    let mut command = cmd::git(git_dir);
    command.args(["-c", "core.compression=1", "fast-import", "--quiet", "--depth=0"]).stdin(Stdio::piped());
    command.spawn().with_context(|| cmd::cannot_start(&command))
}

fn write_commit(input: impl Read, mut sink: impl Write, version: &str) -> Result<()> {
    let message = format!("Linux {version}\n\nThe tree of Debian's package, unchanged.\n");
    write!(sink, "commit refs/heads/base\nauthor {IDENTITY}\ncommitter {IDENTITY}\n")?;
    write!(sink, "data {}\n{message}\n", message.len())?;
    let mut step = Step::begin(format!("importing Linux {version}"), None);
    let mut files = 0;
    for entry in tar::Archive::new(input).entries()? {
        if write_entry(entry?, &mut sink)? {
            files += 1;
            step.set(files, "files");
        }
    }
    sink.flush()?;
    step.done(&format!("{files} files"));
    Ok(())
}

fn write_entry(mut entry: tar::Entry<impl Read>, sink: &mut impl Write) -> Result<bool> {
    let path = below_top(&entry.path()?);
    let kind = entry.header().entry_type();
    if kind.is_dir() || path.as_os_str().is_empty() {
        return Ok(false);
    }
    if kind.is_symlink() {
        let target = entry.link_name()?.context("a symbolic link without a target")?.into_owned();
        head(sink, "120000", &path, target.as_os_str().len() as u64)?;
        sink.write_all(target.as_os_str().as_bytes())?;
    } else if kind.is_file() {
        let mode = if entry.header().mode()? & 0o111 != 0 { "100755" } else { "100644" };
        head(sink, mode, &path, entry.size())?;
        io::copy(&mut entry, sink)?;
    } else {
        bail!("the archive holds {} of a kind that git cannot store", path.display());
    }
    sink.write_all(b"\n")?;
    Ok(true)
}

fn head(sink: &mut impl Write, mode: &str, path: &Path, size: u64) -> io::Result<()> {
    write!(sink, "M {mode} inline ")?;
    sink.write_all(path.as_os_str().as_bytes())?;
    write!(sink, "\ndata {size}\n")
}

fn below_top(path: &Path) -> PathBuf {
    path.components().filter(|part| matches!(part, Component::Normal(_))).skip(1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive() -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        let mut file = tar::Header::new_gnu();
        file.set_size(2);
        file.set_mode(0o755);
        builder.append_data(&mut file, "linux/scripts/run", &b"hi"[..]).unwrap();
        let mut link = tar::Header::new_gnu();
        link.set_entry_type(tar::EntryType::Symlink);
        link.set_size(0);
        builder.append_link(&mut link, "linux/link", "scripts/run").unwrap();
        builder.into_inner().unwrap()
    }

    #[test]
    fn writes_files_links_and_modes() {
        let mut stream = Vec::new();
        write_commit(&archive()[..], &mut stream, "7.3.4").unwrap();
        let text = String::from_utf8(stream).unwrap();
        assert!(text.contains("M 100755 inline scripts/run\ndata 2\nhi\n"), "{text}");
        assert!(text.contains("M 120000 inline link\ndata 11\nscripts/run\n"), "{text}");
    }

    #[test]
    fn the_top_folder_goes() {
        assert_eq!(below_top(Path::new("./linux-source-7.3/mm/mmap.c")), Path::new("mm/mmap.c"));
        assert_eq!(below_top(Path::new("linux-source-7.3/")), Path::new(""));
    }
}
