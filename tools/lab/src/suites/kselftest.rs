//! The selftests of the series: built in the tree against its headers, run in a guest, one program after the other.

use crate::config::Config;
use crate::guest::{self, Guest};
use crate::kernel::Kernel;
use crate::outcome::{Case, Outcome};
use crate::{Selection, complaints, kernel, kvm, lock, tap};
use anyhow::{Context, Result, bail};
use common::arch::Arch;
use common::paths::{Paths, make_folder};
use common::progress::Step;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const BEGIN: &str = "@@ begin ";
const END: &str = "@@ end ";
/// Where the kernel has the selftests of arm64, with a folder for those of memory tags.
const ARM64: &str = "tools/testing/selftests/arm64";

/// Builds them all, and runs those that were named, or all.
pub fn run(paths: &Paths, wanted: &Selection) -> Result<Vec<Case>> {
    run_on(paths, wanted, true)
}

/// The same on a machine without memory tags, and without the programs that test nothing else.
pub fn run_untagged(paths: &Paths, wanted: &Selection) -> Result<Vec<Case>> {
    run_on(paths, wanted, false)
}

fn run_on(paths: &Paths, wanted: &Selection, mte: bool) -> Result<Vec<Case>> {
    let kernel = kernel::ensure(paths, wanted.config)?;
    let mut programs = build_ours(paths, &kernel, wanted.config)?;
    if mte && paths.arch == Arch::Arm64 {
        programs.extend(build_tagged(paths, &kernel, wanted.config)?);
    }
    let programs = choose(programs, &wanted.names)?;
    let kvm = kvm::usable(paths, &kernel.image)?;
    let mut left: &[PathBuf] = &programs;
    let mut cases = Vec::new();
    let mut turn = 0;
    // A program that takes the guest down fails; those after it get a new guest.
    while !left.is_empty() {
        turn += 1;
        let name = if mte { "kselftest" } else { "kselftest-untagged" };
        let log = paths.logs()?.join(paths.arch.named(&format!("{name}-{turn}.log")));
        let guest = Guest { mte, ..machine(paths, &kernel, kvm, &log, wanted.limit(paths.arch))? };
        let (seen, found) = boot(paths, &guest, left)?;
        cases.extend(found);
        left = &left[seen.min(left.len())..];
    }
    Ok(cases)
}

fn machine(paths: &Paths, kernel: &Kernel, kvm: bool, log: &Path, limit: Duration) -> Result<Guest> {
    Ok(Guest {
        kvm,
        nodes: 2,
        limit: Some(limit),
        writable: vec![make_folder(paths.state.join("guest"))?],
        ..Guest::new(paths, &kernel.image, log)
    })
}

/// Runs programs in one guest. Gives the number of those that began, at least one, and their tests.
fn boot(paths: &Paths, guest: &Guest, programs: &[PathBuf]) -> Result<(usize, Vec<Case>)> {
    let helpers = paths.repo.join("tools/lab/guest");
    let mut transcript = Vec::new();
    let mut step = Step::begin("running the selftests in a guest", Some(programs.len() as u64));
    let mut file = fs::File::create(guest.log.with_extension("out"))?;
    let status = guest.run(&script(&helpers, programs), |line| {
        let _ = writeln!(file, "{line}");
        transcript.push(line.to_owned());
        let begun = transcript.iter().filter(|line| line.starts_with(BEGIN)).count();
        step.set(begun as u64, line);
    })?;
    step.done(&format!("exit status {status}"));
    let (seen, mut cases) = read(&transcript, status);
    let log = String::from_utf8_lossy(&fs::read(&guest.log)?).into_owned();
    cases.extend(complaints::find(&log).into_iter().map(|complaint| Case::failed("kernel log", complaint)));
    Ok((seen, cases))
}

fn script(helpers: &Path, programs: &[PathBuf]) -> String {
    let mut script = format!("sh {}/setup || exit 99\n", helpers.display());
    for program in programs {
        let (folder, name) = (program.parent().unwrap_or(program), name(program));
        script += &format!("echo '{BEGIN}{name}'; (cd {} && ./{name}) 2>&1; echo \"{END}$?\"\n", folder.display());
    }
    script + &format!("sh {}/leaks\n", helpers.display())
}

fn name(program: &Path) -> String {
    program.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The tests in what a guest printed. A program without a result, or whose results do not explain its status, fails.
fn read(transcript: &[String], status: i32) -> (usize, Vec<Case>) {
    let mut cases = Vec::new();
    let mut seen = 0;
    let mut rest = transcript;
    while let Some(start) = rest.iter().position(|line| line.starts_with(BEGIN)) {
        seen += 1;
        let name = rest[start][BEGIN.len()..].to_owned();
        rest = &rest[start + 1..];
        let end = rest.iter().position(|line| line.starts_with(END) || line.starts_with(BEGIN));
        let lines = &rest[..end.unwrap_or(rest.len())];
        let code = end.and_then(|end| rest[end].strip_prefix(END)).and_then(|code| code.trim().parse().ok());
        cases.extend(program(&name, lines, code, status));
    }
    if seen == 0 {
        let last = transcript.last().map_or("nothing", String::as_str);
        return (usize::MAX, vec![Case::failed("guest", format!("ended with status {status}, last line: {last}"))]);
    }
    (seen, cases)
}

fn program(name: &str, lines: &[String], code: Option<i32>, status: i32) -> Vec<Case> {
    let mut cases = tap::parse(lines.iter().map(String::as_str));
    let last = lines.iter().rev().find(|line| !line.trim().is_empty()).map_or("nothing", String::as_str);
    let failed = cases.iter().any(|case| matches!(case.outcome, Outcome::Failed(_)));
    match code {
        None if status == guest::STOPPED => cases.push(Case::failed("end", format!("hangs, last line: {last}"))),
        None => cases.push(Case::failed("end", format!("took the guest down, last line: {last}"))),
        Some(0) if cases.is_empty() => cases.push(Case::failed("end", "reported no test")),
        Some(4) if cases.is_empty() => cases.push(Case::skipped("all", last)),
        Some(0 | 4) => {}
        Some(code) if !failed => cases.push(Case::failed("end", format!("exit status {code}, last line: {last}"))),
        Some(_) => {}
    }
    for case in &mut cases {
        case.name = format!("{name} {}", case.name).trim_end().to_owned();
    }
    cases
}

fn build_ours(paths: &Paths, kernel: &Kernel, config: Config) -> Result<Vec<PathBuf>> {
    let makefile = kernel.tree.join("tools/testing/selftests/mm/Makefile");
    let mut names = names(&fs::read_to_string(makefile).context("the tree has no mm selftests")?);
    // The Makefile has it for machines that run programs of 32 bits, which it finds out itself.
    names.retain(|name| name != "refpage_32" || paths.arch == Arch::X86_64);
    build(paths, kernel, config, &names, &make_folder(paths.builds().join(paths.arch.named("selftests")))?)
}

/// Builds programs of `selftests/mm` by name, against the headers of this kernel.
pub fn build(paths: &Paths, kernel: &Kernel, config: Config, names: &[String], output: &Path) -> Result<Vec<PathBuf>> {
    let _lock = lock::hold(&paths.state)?;
    let folder = kernel.tree.join("tools/testing/selftests/mm");
    install_headers(paths, kernel, config)?;
    let programs: Vec<PathBuf> = names.iter().map(|name| output.join(name)).collect();
    let mut make = make(paths, kernel, &folder, output);
    make.args(&programs);
    kernel::logged(make, "building the selftests", names.len() as u64, &paths.logs()?.join("selftests.log"))?;
    Ok(programs)
}

/// Builds those of ours in the architecture's own suite for memory tags.
fn build_tagged(paths: &Paths, kernel: &Kernel, config: Config) -> Result<Vec<PathBuf>> {
    let output = make_folder(paths.builds().join(paths.arch.named("selftests-mte")))?;
    let folder = build_mte(paths, kernel, config, &output)?;
    let mut names = Vec::new();
    for entry in fs::read_dir(kernel.tree.join(ARM64).join("mte"))? {
        let name = PathBuf::from(entry?.file_name());
        if name.to_string_lossy().starts_with("check_refpage") && name.extension().is_some_and(|end| end == "c") {
            names.push(name.with_extension(""));
        }
    }
    names.sort();
    Ok(names.iter().map(|name| folder.join(name)).collect())
}

/// Builds that suite, and gives the folder of its programs.
pub fn build_mte(paths: &Paths, kernel: &Kernel, config: Config, output: &Path) -> Result<PathBuf> {
    let _lock = lock::hold(&paths.state)?;
    install_headers(paths, kernel, config)?;
    let mut make = make(paths, kernel, &kernel.tree.join(ARM64), output);
    make.args(["ARM64_SUBTARGETS=mte", "FORCE_TARGETS=1"]);
    kernel::logged(make, "building the selftests of memory tags", 10, &paths.logs()?.join("selftests-mte.log"))?;
    Ok(output.join("mte"))
}

fn install_headers(paths: &Paths, kernel: &Kernel, config: Config) -> Result<u64> {
    let mut headers = kernel::make(&kernel.tree, &kernel.output, paths.arch, config);
    headers.arg("headers");
    kernel::logged(headers, "installing the kernel's headers", 900, &paths.logs()?.join("headers.log"))
}

/// `make` for one of the kernel's folders of selftests.
fn make(paths: &Paths, kernel: &Kernel, folder: &Path, output: &Path) -> Command {
    let mut make = Command::new("make");
    make.arg("-C").arg(folder).arg(format!("OUTPUT={}", output.display())).args(kernel::cross_build(paths.arch));
    make.arg(format!("KHDR_INCLUDES=-isystem {}/usr/include", kernel.output.display()));
    make
}

fn choose(mut programs: Vec<PathBuf>, only: &[String]) -> Result<Vec<PathBuf>> {
    let known: Vec<String> = programs.iter().map(|program| name(program)).collect();
    if let Some(unknown) = only.iter().find(|wanted| !known.contains(wanted)) {
        bail!("there is no program `{unknown}`: take some of {}", known.join(", "));
    }
    programs.retain(|program| only.is_empty() || only.contains(&name(program)));
    Ok(programs)
}

/// The programs of the series, as the kernel's Makefile lists them.
fn names(makefile: &str) -> Vec<String> {
    let words = makefile.lines().filter(|line| line.starts_with("TEST_GEN_FILES ")).flat_map(str::split_whitespace);
    words.filter(|word| word.starts_with("refpage")).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    fn failures(text: &str, status: i32) -> Vec<String> {
        let why = |case: Case| match case.outcome {
            Outcome::Failed(why) => Some(format!("{}: {why}", case.name)),
            _ => None,
        };
        read(&lines(text), status).1.into_iter().filter_map(why).collect()
    }

    #[test]
    fn the_makefile_names_the_programs() {
        let makefile = "TEST_GEN_FILES = cow\nTEST_GEN_FILES += refpage_abi\nLOCAL_HDRS += refpage.h\nTEST_GEN_FILES += refpage_32\n";
        assert_eq!(names(makefile), ["refpage_abi", "refpage_32"]);
    }

    #[test]
    fn programs_are_chosen_by_name() {
        let all = || vec![PathBuf::from("/o/refpage_abi"), PathBuf::from("/o/refpage_32")];
        assert_eq!(choose(all(), &[]).unwrap(), all());
        assert_eq!(choose(all(), &["refpage_32".into()]).unwrap(), all()[1..]);
        let error = choose(all(), &["refpage".into()]).unwrap_err().to_string();
        assert!(error.contains("`refpage`") && error.contains("refpage_abi, refpage_32"), "{error}");
    }

    #[test]
    fn each_program_is_read_by_itself() {
        let text = "@@ begin a\n1..1\nok 1 x\n@@ end 0\n@@ begin b\n1..1\nok 1 y # SKIP no KSM\n@@ end 4\n";
        let (seen, cases) = read(&lines(text), 0);
        assert_eq!((seen, cases), (2, vec![Case::passed("a x"), Case::skipped("b y", "no KSM")]));
    }

    #[test]
    fn a_program_that_says_nothing_fails() {
        assert_eq!(failures("@@ begin a\n@@ end 0\n", 0), ["a end: reported no test"]);
    }

    #[test]
    fn a_status_without_a_failed_test_fails() {
        assert_eq!(
            failures("@@ begin a\n1..1\nok 1 x\n@@ end 139\n", 0),
            ["a end: exit status 139, last line: ok 1 x"]
        );
    }

    #[test]
    fn a_guest_that_died_fails_its_program() {
        assert_eq!(failures("@@ begin a\nok 1 x\n", 255), ["a end: took the guest down, last line: ok 1 x"]);
        assert_eq!(failures("@@ begin a\nok 1 x\n", guest::STOPPED), ["a end: hangs, last line: ok 1 x"]);
    }

    #[test]
    fn a_guest_that_ran_nothing_fails_and_is_not_tried_again() {
        let (seen, cases) = read(&lines("no such file\n"), 99);
        assert_eq!(seen, usize::MAX);
        assert_eq!(cases, [Case::failed("guest", "ended with status 99, last line: no such file")]);
    }
}
