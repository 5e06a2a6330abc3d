//! What a test gave, and the table of all suites.

use std::fmt::Write;
use std::time::Duration;

/// How one test ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It tested, and all was well.
    Passed,
    /// It found a fault, or did not get to its end.
    Failed(String),
    /// It did not test, for this reason.
    Skipped(String),
}

/// One test.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// How it ended.
    pub outcome: Outcome,
}

impl Case {
    /// A test that passed.
    pub fn passed(name: impl Into<String>) -> Self {
        Self { name: name.into(), outcome: Outcome::Passed }
    }

    /// A test that failed.
    pub fn failed(name: impl Into<String>, why: impl Into<String>) -> Self {
        Self { name: name.into(), outcome: Outcome::Failed(why.into()) }
    }

    /// A test that did not test.
    pub fn skipped(name: impl Into<String>, why: impl Into<String>) -> Self {
        Self { name: name.into(), outcome: Outcome::Skipped(why.into()) }
    }
}

/// A suite that ran.
pub struct Suite {
    /// Its name.
    pub name: &'static str,
    /// Its tests.
    pub cases: Vec<Case>,
    /// How long it took.
    pub time: Duration,
}

/// Numbers of tests by outcome.
#[derive(Clone, Copy, Default, PartialEq)]
pub struct Counts {
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl Counts {
    fn of(cases: &[Case]) -> Self {
        let count = |wanted: fn(&Outcome) -> bool| cases.iter().filter(|case| wanted(&case.outcome)).count();
        Self {
            passed: count(|outcome| matches!(outcome, Outcome::Passed)),
            failed: count(|outcome| matches!(outcome, Outcome::Failed(_))),
            skipped: count(|outcome| matches!(outcome, Outcome::Skipped(_))),
        }
    }
}

/// All suites in one text, whose last line is the sum.
pub struct Report(Vec<Suite>);

impl Report {
    /// A report of these suites. One that tested nothing has failed: a test that cannot fail is no test.
    pub fn new(mut suites: Vec<Suite>) -> Self {
        for suite in &mut suites {
            let counts = Counts::of(&suite.cases);
            if counts.passed + counts.failed == 0 {
                suite.cases.push(Case::failed(suite.name, "no test ran"));
            }
        }
        Self(suites)
    }

    /// Whether every suite tested and nothing failed.
    pub fn good(&self) -> bool {
        !self.0.is_empty() && self.0.iter().all(|suite| Counts::of(&suite.cases).failed == 0)
    }

    /// The text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        self.list(&mut text, "failed", |outcome| match outcome {
            Outcome::Failed(why) => Some(why),
            _ => None,
        });
        self.list(&mut text, "skipped", |outcome| match outcome {
            Outcome::Skipped(why) => Some(why),
            _ => None,
        });
        let width = self.0.iter().map(|suite| suite.name.len()).max().unwrap_or(0).max("suite".len());
        let _ = writeln!(text, "{:width$}  passed  failed  skipped   time", "suite");
        let mut sum = Counts::default();
        for suite in &self.0 {
            let Counts { passed, failed, skipped } = Counts::of(&suite.cases);
            let seconds = suite.time.as_secs();
            let _ = writeln!(text, "{:width$}  {passed:6}  {failed:6}  {skipped:7}  {seconds:4} s", suite.name);
            sum.passed += passed;
            sum.failed += failed;
            sum.skipped += skipped;
        }
        let _ = writeln!(text, "{} passed, {} failed, {} skipped", sum.passed, sum.failed, sum.skipped);
        text
    }

    fn list(&self, text: &mut String, title: &str, why: impl Fn(&Outcome) -> Option<&String>) {
        let before = text.len();
        for suite in &self.0 {
            for case in &suite.cases {
                if let Some(why) = why(&case.outcome) {
                    let _ = writeln!(text, "  {}: {}: {why}", suite.name, case.name);
                }
            }
        }
        if text.len() > before {
            text.insert_str(before, &format!("{title}:\n"));
            text.push('\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(suites: &[(&'static str, &[Case])]) -> Report {
        let suite =
            |(name, cases): &(&'static str, &[Case])| Suite { name, cases: cases.to_vec(), time: Duration::ZERO };
        Report::new(suites.iter().map(suite).collect())
    }

    fn last(report: &Report) -> String {
        report.text().lines().last().unwrap().to_owned()
    }

    #[test]
    fn the_last_line_is_the_sum() {
        let report = report(&[
            ("a", &[Case::passed("x"), Case::skipped("y", "no KSM")]),
            ("b", &[Case::passed("z"), Case::passed("w")]),
        ]);
        assert_eq!(last(&report), "3 passed, 0 failed, 1 skipped");
        assert!(report.good());
        assert!(report.text().contains("a: y: no KSM"));
    }

    #[test]
    fn a_failure_is_named() {
        let report = report(&[("a", &[Case::passed("x"), Case::failed("y", "wrong bytes")])]);
        assert!(!report.good());
        assert!(report.text().starts_with("failed:\n  a: y: wrong bytes\n"));
    }

    #[test]
    fn a_suite_without_a_test_fails() {
        for cases in [&[][..], &[Case::skipped("x", "no option")]] {
            let report = report(&[("a", cases)]);
            assert!(!report.good());
            assert!(last(&report).contains(" 1 failed"));
        }
    }

    #[test]
    fn no_suite_at_all_is_not_good() {
        assert!(!report(&[]).good());
    }
}
