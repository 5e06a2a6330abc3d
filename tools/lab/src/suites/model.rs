//! The model checker, for a short time: the long one is `make soak`.

use crate::Selection;
use crate::checker::{self, Plan};
use crate::outcome::Case;
use anyhow::Result;
use common::paths::Paths;

/// A few seeds. Two of them, the third and the seventh, have an arena with room for huge pages.
const PLAN: Plan = Plan { first: 1, seeds: 8, ops: 2000, replay: None, until_failure: false };

/// One test for each seed.
pub fn run(paths: &Paths, selection: &Selection) -> Result<Vec<Case>> {
    let limit = Some(selection.limit(paths.arch));
    checker::run(paths, selection.config, "model", &PLAN, limit, |_| {}).map(|run| run.cases)
}
