//! `series mutate`: the tests must notice every wrong change in `tools/mutations/`.

mod bench;
mod mutation;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use common::arch::Arch;

use crate::git::Git;
use crate::project::Project;
use bench::Benches;
use mutation::Mutation;
pub use mutation::Suite;

/// Asks only whether each mutation still fits the series of the tree.
pub fn fit(project: &Project, git: &Git, tip: &str, only: Option<&str>) -> Result<()> {
    let mutations = mutation::load(project, only)?;
    let tip = git.commit(tip)?;
    for mutation in &mutations {
        mutation.apply(&git.run(&["cat-file", "blob", &format!("{tip}:{}", mutation.file)])?)?;
    }
    println!("mutate: {} mutations fit", mutations.len());
    Ok(())
}

/// Tries each mutation of this architecture, on one suite or on those that it names; gives whether all were caught.
pub fn run(project: &Project, only: Option<&str>, with: Option<Suite>) -> Result<bool> {
    let mut mutations = mutation::load(project, only)?;
    mutation::keep(&mut mutations, Arch::discover()?)?;
    if let Some(suite) = with {
        mutations.iter_mut().for_each(|mutation| mutation.try_on(suite));
    }
    let benches = Benches::new(project)?;
    for mutation in &mutations {
        mutation.apply(&read(&benches.lab.tree().join(&mutation.file))?)?;
    }
    refuse_failing_suites(&benches, &mutations)?;
    let mut rows = Vec::new();
    for (index, mutation) in mutations.iter().enumerate() {
        eprintln!("mutation {} of {}: {}: {}", index + 1, mutations.len(), mutation.name, mutation.breaks);
        let result = catch(&benches, mutation);
        eprintln!("{}: {}", mutation.name, cell(&result));
        rows.push((mutation, result));
    }
    Ok(report(&rows))
}

/// Tests that fail anyway would seem to catch everything.
fn refuse_failing_suites(benches: &Benches, mutations: &[Mutation]) -> Result<()> {
    let used: BTreeSet<Suite> = mutations.iter().flat_map(|mutation| mutation.suites.iter().copied()).collect();
    for suite in used {
        eprintln!("without a mutation: {}", suite.name());
        benches.prepare(suite)?;
        let failed = benches.failures(suite, &programs(mutations))?;
        if !failed.is_empty() {
            bail!("without any mutation these tests fail: {}: mend them first", failed.join(", "));
        }
    }
    Ok(())
}

/// Every program that some mutation is tried on; none means all.
fn programs(mutations: &[Mutation]) -> Vec<String> {
    let tried = mutations.iter().filter(|mutation| mutation.suites.contains(&Suite::Kselftest));
    if tried.clone().any(|mutation| mutation.programs.is_empty()) {
        return Vec::new();
    }
    tried.flat_map(|mutation| mutation.programs.clone()).collect::<BTreeSet<_>>().into_iter().collect()
}

/// The tests that caught it, from the first suite where one did.
fn catch(benches: &Benches, mutation: &Mutation) -> Result<Vec<String>> {
    for suite in &mutation.suites {
        let mutated = Mutated::new(benches.file(*suite, mutation)?, mutation)?;
        let failed = benches.failures(*suite, &mutation.programs);
        mutated.undo()?;
        let failed = expected(mutation, failed?);
        if !failed.is_empty() {
            return Ok(failed);
        }
    }
    Ok(Vec::new())
}

/// Where a mutation names its tests, only those count.
fn expected(mutation: &Mutation, mut failed: Vec<String>) -> Vec<String> {
    if !mutation.caught_by.is_empty() {
        failed.retain(|test| mutation.caught_by.iter().any(|name| test.contains(name)));
    }
    failed
}

/// A mutation that could not be tried does not end the others' trial, but the whole has failed.
fn report(rows: &[(&Mutation, Result<Vec<String>>)]) -> bool {
    let width = rows.iter().map(|(mutation, _)| mutation.name.len()).max().unwrap_or(0).max("mutation".len());
    println!("{:width$}  caught by", "mutation");
    for (mutation, result) in rows {
        println!("{:width$}  {}", mutation.name, cell(result));
    }
    let count = |wanted: fn(&Result<Vec<String>>) -> bool| rows.iter().filter(|(_, result)| wanted(result)).count();
    let caught = count(|result| result.as_ref().is_ok_and(|failed| !failed.is_empty()));
    let survived = count(|result| result.as_ref().is_ok_and(Vec::is_empty));
    println!("mutate: {caught} caught, {survived} survived, {} not tried", rows.len() - caught - survived);
    caught == rows.len()
}

fn cell(result: &Result<Vec<String>>) -> String {
    match result {
        Err(error) => format!("NOT TRIED: {error:#}"),
        Ok(failed) if failed.is_empty() => "SURVIVED".into(),
        Ok(failed) if failed.len() <= 3 => failed.join(", "),
        Ok(failed) => format!("{} and {} more", failed[..3].join(", "), failed.len() - 3),
    }
}

/// A file with a mutation in it.
struct Mutated {
    file: PathBuf,
    before: String,
}

impl Mutated {
    fn new(file: PathBuf, mutation: &Mutation) -> Result<Self> {
        let before = read(&file)?;
        fs::write(&file, mutation.apply(&before)?)?;
        Ok(Self { file, before })
    }

    fn undo(self) -> Result<()> {
        fs::write(&self.file, &self.before).with_context(|| format!("cannot write {}", self.file.display()))
    }
}

fn read(file: &PathBuf) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mutation(caught_by: &[&str]) -> Mutation {
        let text = format!(
            "breaks = 'x'\nfile = 'f'\nfind = 'a'\nreplace = 'b'\nsuites = ['kselftest']\ncaught-by = {caught_by:?}\n"
        );
        toml::from_str(&text).unwrap()
    }

    #[test]
    fn only_the_named_tests_count() {
        let failed = || vec!["refpage.fork".to_owned(), "other.thing".to_owned()];
        assert_eq!(expected(&mutation(&[]), failed()), failed());
        assert_eq!(expected(&mutation(&["fork"]), failed()), ["refpage.fork"]);
        assert!(expected(&mutation(&["gone"]), failed()).is_empty());
    }

    #[test]
    fn a_survivor_is_a_failure() {
        let one = mutation(&[]);
        assert!(report(&[(&one, Ok(vec!["t".into()]))]));
        assert!(!report(&[(&one, Ok(vec!["t".into()])), (&one, Ok(Vec::new()))]));
        assert!(!report(&[(&one, Ok(vec!["t".into()])), (&one, Err(anyhow::anyhow!("x")))]));
    }

    #[test]
    fn a_mutation_is_undone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f");
        fs::write(&file, "xay").unwrap();
        let mutated = Mutated::new(file.clone(), &mutation(&[])).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "xby");
        mutated.undo().unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "xay");
    }
}
