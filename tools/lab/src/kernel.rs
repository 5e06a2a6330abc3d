//! Configures and builds the kernel, each configuration in a folder of its own.

use crate::config::{self, Config};
use crate::lock;
use crate::tree::{self, Tree};
use anyhow::{Context, Result, bail};
use common::arch::Arch;
use common::cmd;
use common::paths::{Paths, make_folder};
use common::progress::Step;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::available_parallelism;
use std::time::{SystemTime, UNIX_EPOCH};

const ROUGHLY: u64 = 1800;

/// A built kernel.
pub struct Kernel {
    /// What to boot.
    pub image: PathBuf,
    /// The build folder.
    pub output: PathBuf,
    /// The tree that it was built from.
    pub tree: PathBuf,
}

/// Builds the kernel unless the last build was of the same tree and configuration.
pub fn ensure(paths: &Paths, config: Config) -> Result<Kernel> {
    let _lock = lock::hold(&paths.state)?;
    built(paths, tree::ensure(paths, false)?, config, &paths.arch.named(&config.to_string()))
}

/// The same for the kernel without the series, which has no options of ours.
pub fn ensure_unpatched(paths: &Paths) -> Result<Kernel> {
    let _lock = lock::hold(&paths.state)?;
    built(paths, tree::unpatched(paths)?, Config::DemoOff, &paths.arch.named("unpatched"))
}

/// The kernel without the series, configured as for the tests.
pub fn ensure_unpatched_test(paths: &Paths) -> Result<Kernel> {
    let _lock = lock::hold(&paths.state)?;
    built(paths, tree::unpatched(paths)?, Config::Off, &paths.arch.named("unpatched-test"))
}

/// `name` is that of the build, in paths and messages.
fn built(paths: &Paths, tree: Tree, config: Config, name: &str) -> Result<Kernel> {
    let output = make_folder(paths.builds().join(name))?;
    let fragments = config.fragments(&paths.repo, paths.arch);
    let stamp = tree.content.map(|content| stamp(&content, &fragments)).transpose()?;
    let note = output.join("built");
    let image = output.join(paths.arch.image());
    if stamp.is_none() || fs::read_to_string(&note).ok() != stamp || !image.exists() {
        let _ = fs::remove_file(&note);
        configure(&tree.path, &output, paths.arch, config, &fragments)?;
        build(paths, config, name, &tree.path, &output)?;
        if let Some(stamp) = stamp {
            fs::write(&note, stamp)?;
        }
    }
    Ok(Kernel { image, output, tree: tree.path })
}

fn stamp(content: &str, fragments: &[PathBuf]) -> Result<String> {
    let mut stamp = format!("{content}\n");
    for fragment in fragments {
        stamp += &fs::read_to_string(fragment).with_context(|| format!("cannot read {}", fragment.display()))?;
    }
    Ok(stamp)
}

/// `make` for this tree and build folder, with results that depend on neither machine nor time.
pub fn make(tree: &Path, output: &Path, arch: Arch, config: Config) -> Command {
    let jobs = available_parallelism().map_or(2, usize::from) + 1;
    let mut command = Command::new("make");
    command.arg("-C").arg(tree).arg(format!("O={}", output.display())).arg(format!("-j{jobs}"));
    let compiler = config.compiler();
    // Clang is told the architecture by the kernel's own Makefile.
    let cross = if compiler == "clang" { "" } else { arch.cross() };
    command.arg("LLVM=1").arg(format!("CC=ccache {cross}{compiler}")).arg(format!("HOSTCC={compiler}"));
    command.arg("LOCALVERSION=").args(cross_build(arch));
    command.envs([("CCACHE_MAXSIZE", "5G"), ("KBUILD_BUILD_TIMESTAMP", "1 January 2026")]);
    // It spares a file that is not in the cache the second pass of the preprocessor. `make bisect` builds the same files
    // many times with other headers, where that pass shows that nothing has changed.
    if !config.is_small() {
        command.env("CCACHE_DEPEND", "1");
        // Without that pass it does not notice that one file includes the compressed kernel, and takes what it has kept for
        // another kernel of the same length. A flag that is never the same twice keeps that file out of its reach.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        command.arg(format!("AFLAGS_piggy.o=-DBUILD={}", now.as_nanos()));
    }
    // Other trees of the same sources, as those of `make mutate` and `make bisect`, find what was compiled here.
    command.env("CCACHE_BASEDIR", tree.parent().unwrap_or(tree));
    command.envs([("KBUILD_BUILD_USER", "refpage"), ("KBUILD_BUILD_HOST", "refpage"), ("KBUILD_BUILD_VERSION", "1")]);
    command
}

/// What tells the kernel's Makefiles, those of the selftests too, that it is not this machine that they build for.
pub fn cross_build(arch: Arch) -> Vec<String> {
    match arch {
        Arch::X86_64 => Vec::new(),
        Arch::Arm64 => vec![format!("ARCH={}", arch.name()), format!("CROSS_COMPILE={}", arch.cross())],
    }
}

/// Starts from allnoconfig, so that an option is on only where a fragment or a dependency says so.
fn configure(tree: &Path, output: &Path, arch: Arch, config: Config, fragments: &[PathBuf]) -> Result<()> {
    let old = fs::read(output.join(".config")).ok();
    let kept = output.join(".config.kept");
    if old.is_some() {
        fs::rename(output.join(".config"), &kept)?;
    }
    cmd::run(make(tree, output, arch, config).arg("-s").arg("allnoconfig").env("KCONFIG_ALLCONFIG", "/dev/null"))?;
    let mut merge = Command::new(tree.join("scripts/kconfig/merge_config.sh"));
    merge.current_dir(tree).arg("-m").arg("-O").arg(output).arg(output.join(".config")).args(fragments);
    cmd::run(&mut merge)?;
    cmd::run(make(tree, output, arch, config).arg("-s").arg("olddefconfig"))?;
    let lost = config::lost(fragments, &output.join(".config"))?;
    if !lost.is_empty() {
        bail!("the kernel does not take {}: mend tools/configs/ or the Kconfig of the series", lost.join(", "));
    }
    // The same text with a new date would make the whole kernel stale.
    if old.is_some_and(|old| fs::read(output.join(".config")).is_ok_and(|new| new == old)) {
        fs::rename(&kept, output.join(".config"))?;
    }
    Ok(())
}

fn build(paths: &Paths, config: Config, name: &str, tree: &Path, output: &Path) -> Result<()> {
    let log = paths.logs()?.join(format!("build-{name}.log"));
    let count = output.join("lines");
    let total = fs::read_to_string(&count).ok().and_then(|text| text.parse().ok()).unwrap_or(ROUGHLY);
    let lines = logged(make(tree, output, paths.arch, config), &format!("building the {name} kernel"), total, &log)
        .with_context(|| format!("the {name} kernel does not build; the whole log: {}", paths.shown(&log).display()))?;
    if lines > total / 2 {
        fs::write(count, lines.to_string())?;
    }
    Ok(())
}

/// Runs `make` with its output in a log file and gives the number of lines.
pub fn logged(make: Command, title: &str, total: u64, log: &Path) -> Result<u64> {
    let mut file = fs::File::create(log)?;
    let (mut child, reader) = cmd::merged(make)?;
    let mut step = Step::begin(title, Some(total));
    let mut lines = 0;
    for line in BufReader::new(reader).lines() {
        let line = line?;
        writeln!(file, "{line}")?;
        lines += 1;
        step.set(lines, line.trim());
    }
    if !child.wait()?.success() {
        bail!("{}", cmd::tail(&errors(&fs::read_to_string(log)?), 12));
    }
    step.done(&format!("{lines} lines"));
    Ok(lines)
}

/// The lines that tell why: parallel make prints others after them.
fn errors(log: &str) -> String {
    let telling = |line: &&str| line.contains("error:") || line.contains("error[") || line.contains("***");
    let found: Vec<&str> = log.lines().filter(telling).collect();
    if found.is_empty() { log.to_owned() } else { found.join("\n") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_come_before_other_lines() {
        assert_eq!(errors("CC a\na.c:1: error: no\nCC b"), "a.c:1: error: no");
        assert_eq!(errors("CC a\n"), "CC a\n");
    }

    #[test]
    fn a_log_is_kept_and_failure_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let shell = |script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            command
        };
        assert_eq!(logged(shell("echo a; echo b >&2"), "x", 2, &log).unwrap(), 2);
        assert!(logged(shell("echo 'x: error: y'; false"), "x", 2, &log).unwrap_err().to_string().contains("error: y"));
    }
}
