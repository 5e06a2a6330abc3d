// SPDX-License-Identifier: GPL-2.0

//! What went wrong, and where in the sequence.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What is wrong, in kind: cutting a sequence down must not turn one failure into another.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A byte is not what the model says.
    Bytes,
    /// A call gave an error where it must not, or another one, or none.
    Answer,
    /// The number of stored pages is not what the model says.
    Count,
    /// The mappings are not where the model has them.
    Layout,
    /// A process was killed by a signal.
    Signal,
    /// A process does not go on.
    Hang,
    /// Captured pages are left when the process is gone.
    Leak,
    /// The kernel's log has a complaint.
    Log,
    /// What the test itself needs did not work.
    Test,
}

/// One failure.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Failure {
    /// Its kind.
    pub kind: Kind,
    /// What was seen and what was expected.
    pub what: String,
    /// The operation: its number in the sequence, then that inside of it, and so on.
    pub path: Vec<usize>,
}

impl Failure {
    /// A failure at a place that the caller adds.
    pub fn new(kind: Kind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), path: Vec::new() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path: Vec<String> = self.path.iter().map(usize::to_string).collect();
        write!(out, "operation {}: {}", path.join("."), self.what)
    }
}

/// Makes a failure of an error in the test's own doings.
pub fn test(what: &str) -> impl Fn(nix::errno::Errno) -> Failure + '_ {
    move |error| Failure::new(Kind::Test, format!("{what}: {error}"))
}

/// The same for an error of the standard library.
pub fn test_io(what: &str) -> impl Fn(std::io::Error) -> Failure + '_ {
    move |error| Failure::new(Kind::Test, format!("{what}: {error}"))
}
