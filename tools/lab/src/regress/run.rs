//! Builds both kernels and the programs, and runs suites on one of them.

use super::plan::{self, HOST, Suite};
use super::read::{self, BEGIN, END};
use crate::config::Config;
use crate::guest::Guest;
use crate::kernel::{self, Kernel};
use crate::outcome::Case;
use crate::suites::{kselftest, vma};
use crate::{kvm, tree};
use anyhow::{Result, bail};
use common::arch::Arch;
use common::cmd;
use common::paths::{Paths, make_folder};
use common::progress::Step;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Commands that share a guest: what one leaves behind reaches few others, and booting stays a small part.
const TOGETHER: usize = 16;
/// Runs a command in a process namespace of its own. Guests of other architectures have no program for that.
const ALONE: &str = "unshare --pid --fork --kill-child --mount-proc ";
/// Seconds for a guest to boot, prepare itself and end.
const BOOT: u64 = 180;

/// The tests of each suite.
pub type Results = BTreeMap<String, Vec<Case>>;

/// A kernel to test.
#[derive(Clone, Copy, PartialEq)]
pub enum Side {
    /// Without the series.
    Base,
    /// With the series, the option on.
    Patched,
}

impl Side {
    /// The name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Base => "unpatched",
            Self::Patched => "patched",
        }
    }
}

/// What is built before anything runs.
pub struct Built {
    base: Kernel,
    patched: Kernel,
    /// The folder of the programs, which are the same for both.
    programs: PathBuf,
}

/// One command of a suite.
#[derive(Clone, Debug)]
pub struct Job {
    /// The suite, by its place in the list.
    pub suite: usize,
    /// What the tables call it.
    pub name: String,
    /// What the shell gets.
    pub command: String,
    /// Seconds until it is stopped.
    pub limit: u64,
}

/// Builds what the guests of these suites need, if any has one. The programs are the unpatched tree's: both kernels answer
/// to the same tests.
pub fn build(paths: &Paths, suites: &[Suite]) -> Result<Option<Built>> {
    if !suites.iter().any(Suite::in_guest) {
        return Ok(None);
    }
    let base = kernel::ensure_unpatched_test(paths)?;
    let patched = kernel::ensure(paths, Config::Test)?;
    let programs = programs(paths, &base, suites)?;
    Ok(Some(Built { base, patched, programs }))
}

/// Builds the programs and gives their folder. Suites for arm64 are made of those for memory tags.
fn programs(paths: &Paths, base: &Kernel, suites: &[Suite]) -> Result<PathBuf> {
    let output = make_folder(paths.builds().join(paths.arch.named("selftests-unpatched")))?;
    if paths.arch == Arch::Arm64 {
        return kselftest::build_mte(paths, base, Config::Off, &output);
    }
    let names: BTreeSet<&str> = suites.iter().flat_map(Suite::programs).collect();
    let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
    kselftest::build(paths, base, Config::Off, &names, &output)?;
    Ok(output)
}

/// Runs suites on one kernel.
pub fn side(paths: &Paths, built: Option<&Built>, side: Side, suites: &[&Suite], round: u32) -> Result<Results> {
    let mut results = Results::new();
    if suites.iter().any(|suite| suite.name == HOST) {
        results.insert(HOST.into(), host(paths, side)?);
    }
    let jobs = jobs(suites);
    let Some(built) = built.filter(|_| !jobs.is_empty()) else { return Ok(results) };
    let mut step = Step::begin(format!("testing the {} kernel, round {round}", side.name()), Some(jobs.len() as u64));
    let kernel = if side == Side::Base { &built.base } else { &built.patched };
    let kvm = kvm::usable(paths, &kernel.image)?;
    let mut done = 0;
    let mut boots = 0;
    while done < jobs.len() {
        let together = &jobs[done..jobs.len().min(done + TOGETHER)];
        boots += 1;
        let log = paths.logs()?.join(format!("regress-{}-{round}-{boots}.log", side.name()));
        let guest = machine(paths, &kernel.image, &log, kvm, together);
        let found =
            boot(paths, &guest, &built.programs, together, |begun, line| step.set((done + begun) as u64, line))?;
        done += found.len();
        for (job, cases) in together.iter().zip(found) {
            results.entry(suites[job.suite].name.clone()).or_default().extend(cases);
        }
    }
    step.done(&format!("{} commands in {boots} guests", jobs.len()));
    Ok(results)
}

fn jobs(suites: &[&Suite]) -> Vec<Job> {
    let of = |(suite, found): (usize, &&Suite)| {
        let limit = found.limit;
        let commands = if found.in_guest() { found.run.clone() } else { Vec::new() };
        commands.into_iter().map(move |command| Job { suite, name: name(&command), command, limit })
    };
    suites.iter().enumerate().flat_map(of).collect()
}

/// The command from its program on, without folders.
fn name(command: &str) -> String {
    let from = command.rfind("./").map_or(0, |at| at + 2);
    command[from..].trim_start_matches("sh $TOOLS/regress/").to_owned()
}

fn machine(paths: &Paths, image: &Path, log: &Path, kvm: bool, jobs: &[Job]) -> Guest {
    let limit = BOOT + jobs.iter().map(|job| job.limit).sum::<u64>();
    Guest {
        kvm,
        nodes: 2,
        append: vec!["printk.devkmsg=on".into()],
        limit: Some(Duration::from_secs(limit)),
        ..Guest::new(paths, image, log)
    }
}

/// Runs commands in one guest, until its end or theirs: the tests of each that began, which is one at least.
fn boot(
    paths: &Paths,
    guest: &Guest,
    programs: &Path,
    jobs: &[Job],
    mut each: impl FnMut(usize, &str),
) -> Result<Vec<Vec<Case>>> {
    let mut lines = Vec::new();
    let mut begun = 0;
    let mut file = fs::File::create(guest.log.with_extension("out"))?;
    let status = guest.run(&script(guest.arch, &paths.repo.join("tools"), programs, jobs), |line| {
        let _ = writeln!(file, "{line}");
        begun += usize::from(line.starts_with(BEGIN));
        each(begun, line);
        lines.push(line.to_owned());
    })?;
    let mut found = read::transcript(&lines, status, jobs);
    if found.is_empty() {
        let log = paths.shown(&guest.log);
        bail!("a guest ran nothing, status {status}: {}; its log: {}", cmd::tail(&lines.join("\n"), 5), log.display());
    }
    let log = String::from_utf8_lossy(&fs::read(&guest.log)?).into_owned();
    for (job, complaint) in read::complaints(&log, jobs) {
        let last = found.len() - 1;
        found[job.min(last)].push(complaint);
    }
    Ok(found)
}

/// The programs go to memory: some write beside themselves, and files of the host are slow. Each has processes of its own, and
/// none is left when it ends: what protection_keys leaves behind would get in the way of all that follows.
fn script(arch: Arch, tools: &Path, programs: &Path, jobs: &[Job]) -> String {
    let (tools, programs) = (tools.display(), programs.display());
    let mut script = format!("export TOOLS={tools}\nsh $TOOLS/lab/guest/setup || exit 99\n");
    script += "mkdir /tmp/mm && cd /tmp/mm || exit 99\nchmod 755 .\n";
    let used: BTreeSet<&str> = jobs.iter().flat_map(|job| plan::programs(&job.command)).collect();
    for program in used {
        script += &format!("cp {programs}/{program} . || exit 99\n");
    }
    let alone = if arch == Arch::X86_64 { ALONE } else { "" };
    for job in jobs {
        let Job { name, command, limit, .. } = job;
        script += &format!("echo '{BEGIN}{name}'; echo '{BEGIN}{name}' >/dev/kmsg\n");
        script += &format!("timeout -k 5 {limit} {alone}{command} 2>&1 </dev/null; echo \"{END}$?\"\n");
    }
    script
}

fn host(paths: &Paths, side: Side) -> Result<Vec<Case>> {
    match side {
        Side::Base => vma::tests(paths, &tree::unpatched(paths)?.path),
        Side::Patched => vma::run(paths),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_have_short_names() {
        assert_eq!(name("./gup_test -u -n 1"), "gup_test -u -n 1");
        assert_eq!(name("setpriv --clear-groups ./on-fault-limit"), "on-fault-limit");
        assert_eq!(name("sh $TOOLS/regress/stress-ng.sh"), "stress-ng.sh");
    }

    #[test]
    fn a_script_bounds_and_marks_each_command() {
        let job = Job { suite: 0, name: "x -n".into(), command: "./x -n".into(), limit: 7 };
        let script = |arch| script(arch, Path::new("/src/tools"), Path::new("/p"), std::slice::from_ref(&job));
        assert!(script(Arch::Arm64).contains("timeout -k 5 7 ./x -n 2>&1"));
        let script = script(Arch::X86_64);
        assert!(script.contains("cp /p/x . || exit 99\n"), "{script}");
        assert!(
            script.contains("timeout -k 5 7 unshare --pid --fork --kill-child --mount-proc ./x -n 2>&1"),
            "{script}"
        );
        assert!(script.contains("echo '@@ begin x -n' >/dev/kmsg\n"), "{script}");
    }

    #[test]
    fn suites_that_cannot_run_have_no_commands() {
        let suite = |name: &str, cannot: Option<&str>| Suite {
            name: name.into(),
            arch: Arch::X86_64,
            run: vec!["./x".into(), "./x -2".into()],
            limit: 5,
            cannot: cannot.map(str::to_owned),
        };
        let (one, two, three) = (suite("a", Some("why")), suite("b", None), suite(HOST, None));
        let jobs = jobs(&[&one, &two, &three]);
        let names: Vec<(usize, &str)> = jobs.iter().map(|job| (job.suite, job.name.as_str())).collect();
        assert_eq!(names, [(1, "x"), (1, "x -2")]);
    }
}
