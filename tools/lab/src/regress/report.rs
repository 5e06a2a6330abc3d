//! The two columns: for people who wait, what matters; in the file, all of it.

use super::compare::{Cell, Row, Verdict, why, words};
use super::plan::Plan;
use crate::outcome::Outcome;
use std::fmt::Write;

/// The longest reason that a table has room for.
const REASON: usize = 160;

/// What was compared.
pub struct Report<'a> {
    plan: &'a Plan,
    rows: Vec<Row>,
}

impl<'a> Report<'a> {
    /// A report of these tests.
    pub fn new(plan: &'a Plan, rows: Vec<Row>) -> Self {
        Self { plan, rows }
    }

    /// The suites with a test that differs.
    pub fn differing(&self) -> Vec<&str> {
        let differs = |name: &str| self.of(name).any(|row| row.verdict == Verdict::Differs);
        self.plan.suites.iter().map(|suite| suite.name.as_str()).filter(|name| differs(name)).collect()
    }

    /// Whether nothing differs, and every suite that can run tested something.
    pub fn good(&self) -> bool {
        self.differing().is_empty() && self.idle().is_empty()
    }

    /// A line for each suite, the tests that are worth a look, and the counts.
    pub fn text(&self) -> String {
        let mut text = self.suites();
        let worth = |row: &&Row| row.verdict != Verdict::Alike || words(&row.base) != "passed";
        text += &self.list("Tests that do not pass on both, or differ", self.rows.iter().filter(worth));
        text + &self.counts()
    }

    /// All tests, as Markdown.
    pub fn markdown(&self) -> String {
        let mut text = String::from("# The kernel's own tests, without the series and with it\n\n");
        text += &self.suites();
        text += &self.list("Every test", self.rows.iter());
        text + &self.counts()
    }

    fn of(&self, suite: &str) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.suite == suite)
    }

    /// The suites that could run and passed nothing: they compare nothing.
    fn idle(&self) -> Vec<&str> {
        let passed = |cell: &Cell| cell.contains(&Some(Outcome::Passed));
        let idle = |name: &str| !self.of(name).any(|row| passed(&row.base) || passed(&row.patched));
        let can = self.plan.suites.iter().filter(|suite| suite.cannot.is_none());
        can.map(|suite| suite.name.as_str()).filter(|name| idle(name)).collect()
    }

    fn suites(&self) -> String {
        let mut text = String::from("| suite | unpatched | patched | |\n|---|---|---|---|\n");
        for suite in &self.plan.suites {
            let (mut before, mut after) =
                (sum(self.of(&suite.name), |row| &row.base), sum(self.of(&suite.name), |row| &row.patched));
            if let Some(why) = &suite.cannot {
                (before, after) = (format!("not run: {why}"), "not run".into());
            }
            let note = match self.of(&suite.name).filter(|row| row.verdict == Verdict::Differs).count() {
                0 if self.idle().contains(&suite.name.as_str()) => "nothing passed".into(),
                0 => String::new(),
                count => format!("**{count} differ**"),
            };
            let _ = writeln!(text, "| {} | {before} | {after} | {note} |", suite.name);
        }
        text + "\n"
    }

    fn list<'r>(&self, title: &str, rows: impl Iterator<Item = &'r Row>) -> String {
        let mut text = format!("{title}:\n\n| test | unpatched | patched | |\n|---|---|---|---|\n");
        for row in rows {
            let note = match &row.verdict {
                Verdict::Differs => format!("**differs**: {}", reason(row)),
                Verdict::Known(reason) => format!("differs, known: {reason}"),
                Verdict::Varies => format!("varies on the unpatched kernel too: {}", reason(row)),
                Verdict::New => "new".into(),
                Verdict::Alike => reason(row),
            };
            let (before, after) = (words(&row.base), words(&row.patched));
            let test = format!("{}: {}", row.suite, row.test).replace('|', "\\|");
            let _ = writeln!(text, "| {test} | {before} | {after} | {} |", note.trim());
        }
        text + "\n"
    }

    fn counts(&self) -> String {
        let count = |wanted: fn(&Verdict) -> bool| self.rows.iter().filter(|row| wanted(&row.verdict)).count();
        format!(
            "{} tests in {} suites: {} alike, {} new, {} vary on the unpatched kernel too, {} known, {} differ\n",
            self.rows.len(),
            self.plan.suites.iter().filter(|suite| suite.cannot.is_none()).count(),
            count(|verdict| *verdict == Verdict::Alike),
            count(|verdict| *verdict == Verdict::New),
            count(|verdict| *verdict == Verdict::Varies),
            count(|verdict| matches!(verdict, Verdict::Known(_))),
            count(|verdict| *verdict == Verdict::Differs),
        )
    }
}

/// Numbers of tests by what they gave.
fn sum<'r>(rows: impl Iterator<Item = &'r Row>, cell: fn(&Row) -> &Cell) -> String {
    let said: Vec<String> = rows.map(|row| words(cell(row))).collect();
    let count = |wanted: &str| said.iter().filter(|word| *word == wanted).count();
    let mut parts: Vec<String> = Vec::new();
    for kind in ["passed", "failed", "skipped", "not there"] {
        if count(kind) > 0 {
            parts.push(format!("{} {kind}", count(kind)));
        }
    }
    let varying = said.iter().filter(|word| word.contains(" of ")).count();
    if varying > 0 {
        parts.push(format!("{varying} varying"));
    }
    parts.join(", ")
}

/// Why it failed or skipped, in one line that a table can hold.
fn reason(row: &Row) -> String {
    let reason = why(&row.patched).or_else(|| why(&row.base)).unwrap_or_default();
    let line: String = reason.lines().next().unwrap_or_default().chars().take(REASON).collect();
    line.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::super::compare::Rounds;
    use super::super::plan::Suite;
    use super::super::run::{Results, Side};
    use super::*;
    use crate::outcome::Case;
    use common::arch::Arch;

    fn plan() -> Plan {
        let suite = |name: &str, cannot: Option<&str>| Suite {
            name: name.into(),
            arch: Arch::X86_64,
            run: Vec::new(),
            limit: 1,
            cannot: cannot.map(str::to_owned),
        };
        Plan { suites: vec![suite("s", None), suite("no", Some("it needs more"))], flaky: Vec::new() }
    }

    fn report<'a>(plan: &'a Plan, base: &[Case], patched: &[Case]) -> Report<'a> {
        let mut rounds = Rounds::default();
        for (side, cases) in [(Side::Base, base), (Side::Patched, patched)] {
            rounds.add(side, Results::from([("s".to_owned(), cases.to_vec())]));
        }
        Report::new(plan, rounds.rows(plan))
    }

    #[test]
    fn alike_is_good() {
        let plan = plan();
        let cases = [Case::passed("a"), Case::skipped("b", "no NUMA")];
        let report = report(&plan, &cases, &cases);
        assert!(report.good());
        let text = report.text();
        assert!(text.contains("| s | 1 passed, 1 skipped | 1 passed, 1 skipped |  |"), "{text}");
        assert!(text.contains("| no | not run: it needs more | not run |  |"), "{text}");
        assert!(text.contains("| s: b | skipped | skipped | no NUMA |") && !text.contains("| s: a |"), "{text}");
        assert!(
            text.ends_with(
                "2 tests in 1 suites: 2 alike, 0 new, 0 vary on the unpatched kernel too, 0 known, 0 differ\n"
            )
        );
        assert!(report.markdown().contains("| s: a | passed | passed |  |"));
    }

    #[test]
    fn a_difference_is_told() {
        let plan = plan();
        let report = report(&plan, &[Case::passed("a")], &[Case::failed("a", "x.c:1\nmore")]);
        assert!(!report.good());
        assert_eq!(report.differing(), ["s"]);
        assert!(report.text().contains("| s: a | passed | failed | **differs**: x.c:1 |"), "{}", report.text());
    }

    #[test]
    fn a_suite_that_passes_nothing_is_not_good() {
        let plan = plan();
        let cases = [Case::failed("a", "why")];
        let report = report(&plan, &cases, &cases);
        assert!(report.differing().is_empty() && !report.good());
        assert!(report.text().contains("nothing passed"));
    }
}
