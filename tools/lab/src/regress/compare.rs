//! Puts the results of both kernels side by side, test by test.

use super::plan::{HOST, Plan, Suite};
use super::run::{Results, Side};
use crate::outcome::{Case, Outcome};
use std::collections::BTreeMap;

/// What a test gave on one kernel, in each round: `None` where it did not show up.
pub type Cell = Vec<Option<Outcome>>;

/// One test on both kernels.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its suite.
    pub suite: String,
    /// Its name.
    pub test: String,
    /// Without the series.
    pub base: Cell,
    /// With it.
    pub patched: Cell,
    /// What that means.
    pub verdict: Verdict,
}

/// What two cells mean.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// The same on both, in each round.
    Alike,
    /// The unpatched kernel itself gives now this, now that, and the patched one nothing else.
    Varies,
    /// Different, for a reason that is known.
    Known(String),
    /// A test that the series adds, which passes.
    New,
    /// Different.
    Differs,
}

/// What the rounds of both kernels gave.
#[derive(Default)]
pub struct Rounds {
    base: Vec<Results>,
    patched: Vec<Results>,
}

impl Rounds {
    /// Takes in the results of one kernel.
    pub fn add(&mut self, side: Side, results: Results) {
        match side {
            Side::Base => self.base.push(results),
            Side::Patched => self.patched.push(results),
        }
    }

    /// A row for each test, in the order of the suites and of the tests in them.
    pub fn rows(&self, plan: &Plan) -> Vec<Row> {
        plan.suites.iter().flat_map(|suite| self.suite(suite, plan)).collect()
    }

    fn suite(&self, suite: &Suite, plan: &Plan) -> Vec<Row> {
        let ran = |rounds: &[Results]| -> Vec<Vec<Case>> {
            rounds.iter().filter_map(|round| round.get(&suite.name).cloned()).collect()
        };
        let columns = [ran(&self.base), ran(&self.patched)];
        let empty = || columns.each_ref().map(|rounds| vec![None; rounds.len()]);
        let (mut order, mut cells) = (Vec::new(), BTreeMap::new());
        for (column, rounds) in columns.iter().enumerate() {
            for (round, case) in
                rounds.iter().enumerate().flat_map(|(at, cases)| cases.iter().map(move |case| (at, case)))
            {
                let row: &mut [Cell; 2] = cells.entry(&case.name).or_insert_with(|| {
                    order.push(&case.name);
                    empty()
                });
                row[column][round] = Some(case.outcome.clone());
            }
        }
        let row = |test: &String| {
            let [base, patched] = cells.remove(test).unwrap_or_default();
            let verdict = verdict(&base, &patched, suite.name == HOST, plan.excuse(&suite.name, test));
            Row { suite: suite.name.clone(), test: test.clone(), base, patched, verdict }
        };
        order.into_iter().map(row).collect()
    }
}

fn verdict(base: &Cell, patched: &Cell, own_tests: bool, excuse: Option<&str>) -> Verdict {
    let (before, after) = (kinds(base), kinds(patched));
    if before.len() == 1 && before == after {
        return Verdict::Alike;
    }
    if before.len() > 1 && after.iter().all(|kind| before.contains(kind)) {
        return Verdict::Varies;
    }
    // Only where each kernel brings its own tests can one be new: of the others the programs are the same.
    if own_tests && base.iter().all(Option::is_none) && after == [kind(Some(&Outcome::Passed))] {
        return Verdict::New;
    }
    excuse.map_or(Verdict::Differs, |reason| Verdict::Known(reason.to_owned()))
}

/// The outcomes in a cell, each once. Reasons do not count: they hold numbers that change.
fn kinds(cell: &Cell) -> Vec<&'static str> {
    let mut kinds: Vec<_> = cell.iter().map(|outcome| kind(outcome.as_ref())).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

fn kind(outcome: Option<&Outcome>) -> &'static str {
    match outcome {
        Some(Outcome::Passed) => "passed",
        Some(Outcome::Failed(_)) => "failed",
        Some(Outcome::Skipped(_)) => "skipped",
        None => "not there",
    }
}

/// What a cell says in a table: one word, or how often which.
pub fn words(cell: &Cell) -> String {
    let kinds = kinds(cell);
    if let [kind] = kinds[..] {
        return kind.to_owned();
    }
    let count = |wanted: &str| cell.iter().filter(|outcome| kind(outcome.as_ref()) == wanted).count();
    let words: Vec<String> = kinds.iter().map(|kind| format!("{kind} {} of {}", count(kind), cell.len())).collect();
    words.join(", ")
}

/// The first reason in a cell.
pub fn why(cell: &Cell) -> Option<&str> {
    cell.iter().flatten().find_map(|outcome| match outcome {
        Outcome::Failed(why) | Outcome::Skipped(why) => Some(why.as_str()),
        Outcome::Passed => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::arch::Arch;

    fn plan() -> Plan {
        let suite = |name: &str| Suite {
            name: name.into(),
            arch: Arch::X86_64,
            run: vec!["./x".into()],
            limit: 1,
            cannot: None,
        };
        Plan { suites: vec![suite("s"), suite(HOST)], flaky: Vec::new() }
    }

    fn rows(base: &[&[Case]], patched: &[&[Case]], suite: &str) -> Vec<Row> {
        let mut rounds = Rounds::default();
        for (side, columns) in [(Side::Base, base), (Side::Patched, patched)] {
            for cases in columns {
                rounds.add(side, Results::from([(suite.to_owned(), cases.to_vec())]));
            }
        }
        rounds.rows(&plan())
    }

    fn verdicts(rows: &[Row]) -> Vec<(&str, Verdict)> {
        rows.iter().map(|row| (row.test.as_str(), row.verdict.clone())).collect()
    }

    #[test]
    fn reasons_do_not_count() {
        let rows = rows(
            &[&[Case::skipped("a", "x"), Case::passed("b")]],
            &[&[Case::skipped("a", "y"), Case::passed("b")]],
            "s",
        );
        assert_eq!(verdicts(&rows), [("a", Verdict::Alike), ("b", Verdict::Alike)]);
    }

    #[test]
    fn a_failure_on_one_kernel_differs() {
        let rows = rows(&[&[Case::passed("a")]], &[&[Case::failed("a", "why")]], "s");
        assert_eq!(rows[0].verdict, Verdict::Differs);
        assert_eq!((words(&rows[0].patched).as_str(), why(&rows[0].patched)), ("failed", Some("why")));
        assert_eq!(rows_of_a_test_that_is_missing(), Verdict::Differs);
    }

    fn rows_of_a_test_that_is_missing() -> Verdict {
        rows(&[&[Case::passed("a")]], &[&[]], "s")[0].verdict.clone()
    }

    #[test]
    fn what_varies_by_itself_does_not_differ() {
        let (good, bad): (&[Case], &[Case]) = (&[Case::passed("a")], &[Case::failed("a", "w")]);
        assert_eq!(rows(&[good, bad], &[bad, bad], "s")[0].verdict, Verdict::Varies);
        assert_eq!(rows(&[good, good], &[good, bad], "s")[0].verdict, Verdict::Differs);
        assert_eq!(words(&rows(&[good, bad], &[bad], "s")[0].base), "failed 1 of 2, passed 1 of 2");
    }

    #[test]
    fn a_test_that_is_missing_in_one_round_varies() {
        let rows = rows(&[&[Case::passed("a")], &[]], &[&[Case::passed("a")], &[Case::passed("a")]], "s");
        assert_eq!(rows[0].base, [Some(Outcome::Passed), None]);
        assert_eq!(rows[0].verdict, Verdict::Varies);
    }

    #[test]
    fn only_where_the_series_adds_tests_can_one_be_new() {
        assert_eq!(rows(&[&[]], &[&[Case::passed("a")]], HOST)[0].verdict, Verdict::New);
        assert_eq!(rows(&[&[]], &[&[Case::failed("a", "")]], HOST)[0].verdict, Verdict::Differs);
        assert_eq!(rows(&[&[]], &[&[Case::passed("a")]], "s")[0].verdict, Verdict::Differs);
    }
}
