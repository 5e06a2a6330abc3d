//! Reads TAP: that of the selftests, and the kernel's, where a suite's tests are indented below it.

use crate::outcome::{Case, Outcome};

/// The tests in a stream of lines. A plan that is not kept to is a failed test.
pub fn parse<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<Case> {
    let mut parser = Parser::default();
    for line in lines {
        parser.line(line);
    }
    parser.finish()
}

#[derive(Default)]
struct Parser {
    levels: Vec<Level>,
    cases: Vec<Case>,
    /// What was said since the last result: the reason, should the next one be a failure.
    notes: Vec<String>,
}

/// The tests at one depth of indentation.
struct Level {
    indent: usize,
    plan: Option<usize>,
    results: usize,
    failed: bool,
}

impl Parser {
    fn line(&mut self, line: &str) {
        let text = line.trim_start();
        let indent = line.len() - text.len();
        if let Some(count) = plan(text) {
            self.close_below(indent);
            self.level(indent).plan = Some(count);
        } else if let Some(case) = result(text) {
            self.result(indent, case);
        } else if let Some(note) = text.strip_prefix('#') {
            self.notes.push(note.trim().to_owned());
        }
    }

    fn result(&mut self, indent: usize, mut case: Case) {
        let below = self.close_below(indent);
        if let Outcome::Failed(why) = &mut case.outcome {
            *why = reason(&self.notes);
        }
        self.notes.clear();
        let failed = matches!(case.outcome, Outcome::Failed(_));
        let level = self.level(indent);
        level.results += 1;
        level.failed |= failed;
        // A line above tests of its own sums them up; it counts only when it knows of a failure that they do not.
        match below {
            Some(level) if level.failed || !failed => {}
            _ => self.cases.push(case),
        }
    }

    fn level(&mut self, indent: usize) -> &mut Level {
        if self.levels.last().is_none_or(|level| level.indent < indent) {
            self.levels.push(Level { indent, plan: None, results: 0, failed: false });
        }
        self.levels.last_mut().expect("a level was pushed when there was none")
    }

    /// Ends the levels that are deeper, and gives the outermost of them.
    fn close_below(&mut self, indent: usize) -> Option<Level> {
        let mut last = None;
        while self.levels.last().is_some_and(|level| level.indent > indent) {
            let mut level = self.levels.pop()?;
            level.failed |= self.check_plan(&level);
            last = Some(level);
        }
        last
    }

    fn check_plan(&mut self, level: &Level) -> bool {
        let short = level.plan.filter(|plan| *plan != level.results);
        if let Some(plan) = short {
            let last = self.notes.last().map(|note| format!("; last heard: {note}")).unwrap_or_default();
            self.cases.push(Case::failed("plan", format!("{plan} tests planned, {} reported{last}", level.results)));
        }
        short.is_some()
    }

    fn finish(mut self) -> Vec<Case> {
        while let Some(level) = self.levels.pop() {
            self.check_plan(&level);
        }
        self.cases
    }
}

/// A plan `1..N`, unless all is skipped: then nothing tells how many there would have been.
fn plan(text: &str) -> Option<usize> {
    let rest = text.strip_prefix("1..")?;
    rest.split_whitespace().next()?.parse().ok()
}

fn result(text: &str) -> Option<Case> {
    let (good, rest) = match text.strip_prefix("not ok ") {
        Some(rest) => (false, rest),
        None => (true, text.strip_prefix("ok ")?),
    };
    let (number, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    number.parse::<usize>().ok()?;
    let (name, directive) = rest.split_once('#').unwrap_or((rest, ""));
    let name = name.trim().trim_start_matches("- ").trim();
    let directive = directive.trim();
    let outcome = match directive.get(..4) {
        Some(word) if word.eq_ignore_ascii_case("skip") => Outcome::Skipped(skip_reason(directive, name)),
        _ if good => Outcome::Passed,
        _ => Outcome::Failed(String::new()),
    };
    Some(Case { name: name.to_owned(), outcome })
}

fn skip_reason(directive: &str, name: &str) -> String {
    let reason = directive[4..].trim();
    if reason.is_empty() { format!("{name} gives no reason") } else { reason.to_owned() }
}

/// The notes that tell of the failure: those that name a place in the source, else the last ones.
fn reason(notes: &[String]) -> String {
    let telling: Vec<&String> = notes.iter().filter(|note| note.contains(".c:") || note.contains(".rs:")).collect();
    let chosen: Vec<&str> = match telling.is_empty() {
        true => notes.iter().rev().take(2).rev().map(String::as_str).collect(),
        false => telling.iter().take(3).map(|note| note.as_str()).collect(),
    };
    if chosen.is_empty() { "no reason given".into() } else { chosen.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<Case> {
        parse(text.lines())
    }

    #[test]
    fn reads_a_selftest() {
        let cases =
            of("TAP version 13\n1..3\n# Starting 3 tests from 1 test cases.\n#  RUN  a.one ...\n#   OK  a.one\n\
            ok 1 a.one\n# x.c:5:two:Expected 1 (1) == 2 (2)\n# two: Test failed\nnot ok 2 a.two\n\
            ok 3 # SKIP needs KSM\n# FAILED: 2 / 3 tests passed.\n");
        let expected = [
            Case::passed("a.one"),
            Case::failed("a.two", "x.c:5:two:Expected 1 (1) == 2 (2)"),
            Case::skipped("", "needs KSM"),
        ];
        assert_eq!(cases, expected);
    }

    #[test]
    fn a_sum_over_tests_is_no_test() {
        let cases =
            of("KTAP version 1\n1..1\n    KTAP version 1\n    # Subtest: s\n    1..2\n    ok 1 a\n    ok 2 b\n\
            # s: pass:2\nok 1 s\n");
        assert_eq!(cases, [Case::passed("a"), Case::passed("b")]);
    }

    #[test]
    fn a_sum_counts_when_only_it_failed() {
        let cases = of("1..1\n    1..1\n    ok 1 a\n# exit failed\nnot ok 1 s\n");
        assert_eq!(cases, [Case::passed("a"), Case::failed("s", "exit failed")]);
    }

    #[test]
    fn a_failure_below_is_counted_once() {
        let cases =
            of("1..1\n    1..2\n    ok 1 a\n    # b: EXPECTATION FAILED at mm/x.rs:9\n    not ok 2 b\nnot ok 1 s\n");
        assert_eq!(cases, [Case::passed("a"), Case::failed("b", "b: EXPECTATION FAILED at mm/x.rs:9")]);
    }

    #[test]
    fn a_plan_cut_short_is_a_failure() {
        let cases = of("1..2\nok 1 a\n");
        assert_eq!(cases[1], Case::failed("plan", "2 tests planned, 1 reported"));
        let cases = of("1..1\n    1..3\n    ok 1 a\nok 1 s\n");
        assert!(matches!(&cases[1].outcome, Outcome::Failed(why) if why.starts_with("3 tests planned")));
    }

    #[test]
    fn skips_keep_their_name_and_reason() {
        assert_eq!(of("ok 1 t # SKIP no NUMA\n"), [Case::skipped("t", "no NUMA")]);
        assert_eq!(of("ok 1 t # SKIP\n"), [Case::skipped("t", "t gives no reason")]);
    }

    #[test]
    fn other_lines_are_no_results() {
        assert!(of("ok then\nnot ok either\nokay 1 x\n# ok 1 x\n").is_empty());
    }
}
