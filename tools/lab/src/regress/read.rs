//! Reads what a guest printed while it ran commands, and what its kernel said meanwhile.

use super::run::Job;
use crate::outcome::{Case, Outcome};
use crate::{complaints, guest, tap};
use regex::Regex;

/// Before the output of each command, and in the kernel's log.
pub const BEGIN: &str = "@@ begin ";
/// After it, with the exit status.
pub const END: &str = "@@ end ";

/// The exit status by which a selftest skips.
const SKIP: i32 = 4;
/// The exit statuses of a command that `timeout` stopped.
const STOPPED: [i32; 2] = [124, 137];

/// The tests of each command that began, in order.
pub fn transcript(lines: &[String], status: i32, jobs: &[Job]) -> Vec<Vec<Case>> {
    let starts: Vec<usize> = (0..lines.len()).filter(|&at| lines[at].starts_with(BEGIN)).collect();
    let ends = starts.iter().skip(1).copied().chain([lines.len()]);
    let parts = starts.iter().zip(ends).zip(jobs);
    parts.map(|((&start, end), job)| command(&lines[start + 1..end], status, job)).collect()
}

fn command(lines: &[String], status: i32, job: &Job) -> Vec<Case> {
    let end = lines.iter().position(|line| line.starts_with(END));
    let said = &lines[..end.unwrap_or(lines.len())];
    let code: Option<i32> = end.and_then(|end| lines[end].strip_prefix(END)).and_then(|code| code.trim().parse().ok());
    let mut cases = tap::parse(said.iter().map(String::as_str));
    let failed = cases.iter().any(|case| matches!(case.outcome, Outcome::Failed(_)));
    let last = said.iter().rev().find(|line| !line.trim().is_empty()).map_or("nothing", String::as_str);
    match code {
        None if status == guest::STOPPED => cases.push(Case::failed("end", format!("hangs the guest, after: {last}"))),
        None => cases.push(Case::failed("end", format!("takes the guest down, after: {last}"))),
        Some(code) if STOPPED.contains(&code) => {
            cases.push(Case::failed("end", format!("stopped after {} s, after: {last}", job.limit)));
        }
        // Some programs tell by their exit status alone.
        Some(0) if cases.is_empty() => cases.push(Case::passed("")),
        Some(SKIP) if cases.is_empty() => cases.push(Case::skipped("", last)),
        Some(0 | SKIP) => {}
        Some(code) if !failed => cases.push(Case::failed("end", format!("exit status {code}, after: {last}"))),
        Some(_) => {}
    }
    named(&job.name, cases)
}

/// Names that tell the tests of all commands of a suite apart, and are the same in each run.
fn named(command: &str, cases: Vec<Case>) -> Vec<Case> {
    let changing = changing();
    let mut named: Vec<Case> = Vec::new();
    let mut seen = std::collections::HashMap::new();
    for Case { name, outcome } in cases {
        let name = changing.replace_all(&name, "N");
        let name = format!("{command}: {name}").trim_end_matches([':', ' ']).to_owned();
        let turn = seen.entry(name.clone()).and_modify(|turn| *turn += 1).or_insert(1);
        let name = if *turn == 1 { name } else { format!("{name} ({turn})") };
        named.push(Case { name, outcome });
    }
    named
}

/// What the kernel complained of, by the number of the command that ran.
pub fn complaints(log: &str, jobs: &[Job]) -> Vec<(usize, Case)> {
    let mut found = Vec::new();
    for (turn, part) in log.split(BEGIN).enumerate() {
        // What comes before the first command is put to its account.
        let job = turn.saturating_sub(1);
        for complaint in complaints::find(part) {
            let first = complaint.lines().next().unwrap_or_default();
            let stamp = first.find("] ").map_or(0, |at| at + 2);
            let name = changing().replace_all(&first[stamp..], "N").into_owned();
            let command = jobs.get(job).map_or("", |job| job.name.as_str());
            found.push((job, Case::failed(format!("{command}: kernel log: {name}"), complaint)));
        }
    }
    found
}

/// What differs from run to run: addresses, numbers of processes, and what some tests measure.
fn changing() -> Regex {
    Regex::new(concat!(
        r"0x[0-9a-f]+|\b[0-9a-f]{12,16}\b|\b[pP][iI][dD][:= ]+\d+",
        r"|pages \d+ \([\d.]+%\)|thread faults \d+|\b\d+MB of memory"
    ))
    .expect("the pattern is a constant that a test compiles")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jobs() -> Vec<Job> {
        let job = |name: &str| Job { suite: 0, name: name.into(), command: String::new(), limit: 9 };
        vec![job("a"), job("b -x")]
    }

    fn read(text: &str, status: i32) -> Vec<Vec<Case>> {
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        transcript(&lines, status, &jobs())
    }

    #[test]
    fn each_command_is_read_by_itself() {
        let cases = read(
            "noise\n@@ begin a\n1..2\nok 1 t\nok 2 t\n@@ end 0\n@@ begin b -x\n1..1\nok 1 t # SKIP no\n@@ end 4\n",
            0,
        );
        assert_eq!(cases, [vec![Case::passed("a: t"), Case::passed("a: t (2)")], vec![Case::skipped("b -x: t", "no")]]);
    }

    #[test]
    fn a_program_without_tap_tells_by_its_status() {
        assert_eq!(read("@@ begin a\n@@ end 0\n@@ begin b\nno root\n@@ end 4\n", 0)[0], [Case::passed("a")]);
        assert_eq!(read("@@ begin a\nno root\n@@ end 4\n", 0)[0], [Case::skipped("a", "no root")]);
        assert_eq!(read("@@ begin a\nbad\n@@ end 1\n", 0)[0], [Case::failed("a: end", "exit status 1, after: bad")]);
    }

    #[test]
    fn what_does_not_end_fails() {
        assert_eq!(read("@@ begin a\nx\n@@ end 124\n", 0)[0], [Case::failed("a: end", "stopped after 9 s, after: x")]);
        assert_eq!(read("@@ begin a\nx\n", 255)[0], [Case::failed("a: end", "takes the guest down, after: x")]);
        assert_eq!(read("@@ begin a\nx\n", guest::STOPPED)[0], [Case::failed("a: end", "hangs the guest, after: x")]);
    }

    #[test]
    fn names_do_not_change_from_run_to_run() {
        let cases = read("@@ begin a\nok 1 at 0x7f00 of pid 12\n@@ end 0\n", 0);
        assert_eq!(cases[0], [Case::passed("a: at N of N")]);
        let cases = read("@@ begin a\nok 1 Extra pages 23 (0.1%), thread faults 25.\n@@ end 0\n", 0);
        assert_eq!(cases[0], [Case::passed("a: Extra N, N.")]);
    }

    #[test]
    fn a_complaint_is_put_to_the_command_that_ran() {
        let log = "[ 1.0] Linux\n[ 2.0] @@ begin a\n[ 3.0] @@ begin b -x\n[ 4.0] WARNING: x at 0x12\n[ 4.1] trace\n";
        let found = complaints(log, &jobs());
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].0, found[0].1.name.as_str()), (1, "b -x: kernel log: WARNING: x at N"));
    }
}
