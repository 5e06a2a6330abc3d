// SPDX-License-Identifier: GPL-2.0

use crate::args::Args;
use crate::clock::Clock;
use crate::guest;
use anyhow::Result;
use record::{Content, Key, Line, Measure, Missing, Row, Summary, Way, Workload};
use std::io::Write;

/// What every workload needs: sizes, the clock, and where values go.
pub struct Bench {
    /// How the program was called.
    pub args: Args,
    /// The clock.
    pub clock: Clock,
    lines: u64,
}

/// What a workload measures at the moment: a [`Key`] without the measure.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// The workload.
    pub workload: Workload,
    /// What is done.
    pub name: &'a str,
    /// How many of it.
    pub size: usize,
    /// Where the memory comes from.
    pub way: Way,
    /// What it holds.
    pub content: Content,
}

impl<'a> Case<'a> {
    /// The same with another name.
    pub fn named(self, name: &'a str) -> Self {
        Self { name, ..self }
    }

    fn key(&self, measure: Measure) -> Key {
        let Self { workload, size, way, content, .. } = *self;
        Key { workload, case: self.name.to_owned(), size: size as u64, way, content, measure }
    }
}

impl Bench {
    /// Looks at the machine and says what it is.
    pub fn new(args: Args) -> Result<Self> {
        let clock = Clock::calibrate();
        let guest = guest::describe(&args, &clock)?;
        let mut bench = Self { args, clock, lines: 0 };
        bench.say(&Line::Guest(guest))?;
        Ok(bench)
    }

    /// Says a value that was sampled.
    pub fn samples(&mut self, case: Case<'_>, measure: Measure, mut samples: Vec<f64>) -> Result<()> {
        match Summary::of(&mut samples) {
            Some(summary) => self.say(&Line::Row(Row { key: case.key(measure), summary })),
            None => self.missing(case, measure, "no sample was taken"),
        }
    }

    /// Says a value that is the same each time.
    pub fn exact(&mut self, case: Case<'_>, measure: Measure, value: f64) -> Result<()> {
        self.say(&Line::Row(Row { key: case.key(measure), summary: Summary::exact(value) }))
    }

    /// Says that a value could not be measured, and why.
    pub fn missing(&mut self, case: Case<'_>, measure: Measure, why: &str) -> Result<()> {
        self.say(&Line::Missing(Missing { key: case.key(measure), why: why.to_owned() }))
    }

    /// Says that a value is missing if the work that should give it failed.
    pub fn attempt(&mut self, case: Case<'_>, work: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        match work(self) {
            Ok(()) => Ok(()),
            Err(error) => self.missing(case, Measure::Time, &format!("{error:#}")),
        }
    }

    /// Says that this is all.
    pub fn end(mut self) -> Result<()> {
        let lines = self.lines;
        self.say(&Line::End { lines })
    }

    fn say(&mut self, line: &Line) -> Result<()> {
        let mut out = std::io::stdout().lock();
        serde_json::to_writer(&mut out, line)?;
        writeln!(out)?;
        self.lines += 1;
        Ok(())
    }
}
