// SPDX-License-Identifier: GPL-2.0

//! What the benchmark's program in the guest says to the tool on the host: lines of JSON.

mod fault;
mod key;
mod summary;
mod written;

pub use fault::Fault;
pub use key::{Content, Key, Measure, Unit, Way, Workload};
pub use summary::Summary;
pub use written::Written;

use serde::{Deserialize, Serialize};

/// One line.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "line", rename_all = "lowercase")]
pub enum Line {
    /// The machine, before everything else.
    Guest(Guest),
    /// A measured value.
    Row(Row),
    /// A value that could not be measured.
    Missing(Missing),
    /// All that was asked for is measured, or said to be missing.
    End {
        /// The number of lines before this one.
        lines: u64,
    },
}

/// The machine that was measured.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Guest {
    /// Release of the kernel.
    pub kernel: String,
    /// The kernel's command line.
    pub command_line: String,
    /// Name of the processor.
    pub processor: String,
    /// Number of processors.
    pub processors: usize,
    /// Memory in KiB.
    pub memory_kib: u64,
    /// What the kernel's own clock reads.
    pub clock_source: String,
    /// Length of a tick of the clock that measures, in nanoseconds.
    pub tick_ns: f64,
    /// What an empty measurement takes, in ticks; already taken off every value.
    pub empty_ticks: u64,
    /// The kernel has `MAP_REFPAGE`; else why not.
    pub refpage: Result<(), String>,
    /// Seed of all random numbers.
    pub seed: u64,
    /// Fewer rounds than usual.
    pub quick: bool,
}

/// A measured value.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Row {
    /// What was measured.
    #[serde(flatten)]
    pub key: Key,
    /// Its samples, in the unit of the measure.
    #[serde(flatten)]
    pub summary: Summary,
}

/// A value that could not be measured.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Missing {
    /// What should have been measured.
    #[serde(flatten)]
    pub key: Key,
    /// The reason, a sentence.
    pub why: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key {
            workload: Workload::Fault,
            case: "first store".into(),
            size: 0,
            way: Way::Refpage,
            content: Content::Sixteen,
            measure: Measure::Time,
        }
    }

    #[test]
    fn lines_survive_the_way_to_the_host() {
        let summary = Summary::of(&mut [3.0, 1.0, 2.0]).unwrap();
        for line in [
            Line::Row(Row { key: key(), summary }),
            Line::Missing(Missing { key: key(), why: "no \"reason\"".into() }),
            Line::End { lines: 2 },
        ] {
            let text = serde_json::to_string(&line).unwrap();
            assert_eq!(serde_json::from_str::<Line>(&text).unwrap(), line, "{text}");
            assert!(!text.contains('\n'));
        }
    }
}
