// SPDX-License-Identifier: GPL-2.0

use serde::{Deserialize, Serialize};

/// The number of samples up to which all of them are kept.
const KEPT: usize = 32;

/// The distribution of the samples of one value.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Summary {
    /// Number of samples.
    pub count: usize,
    /// The least one.
    pub min: f64,
    /// A tenth is not above this one.
    pub p10: f64,
    /// The median.
    pub p50: f64,
    /// Nine tenths are not above this one.
    pub p90: f64,
    /// 99 of 100 are not above this one.
    pub p99: f64,
    /// The greatest one.
    pub max: f64,
    /// The mean.
    pub mean: f64,
    /// All of them in order, where they are few.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub samples: Vec<f64>,
}

impl Summary {
    /// Sorts the samples and sums them up; `None` where there is none.
    pub fn of(samples: &mut [f64]) -> Option<Self> {
        samples.sort_by(f64::total_cmp);
        let (&min, &max) = (samples.first()?, samples.last()?);
        let at = |percent| rank(samples, percent);
        Some(Self {
            count: samples.len(),
            min,
            p10: at(10),
            p50: at(50),
            p90: at(90),
            p99: at(99),
            max,
            mean: samples.iter().sum::<f64>() / samples.len() as f64,
            samples: if samples.len() <= KEPT { samples.to_vec() } else { Vec::new() },
        })
    }

    /// The summary of a value that is the same each time.
    pub fn exact(value: f64) -> Self {
        let (count, samples) = (1, vec![value]);
        Self { count, min: value, p10: value, p50: value, p90: value, p99: value, max: value, mean: value, samples }
    }

    /// From the least tenth to the greatest, relative to the median.
    pub fn spread(&self) -> f64 {
        if self.p50 == 0.0 { 0.0 } else { (self.p90 - self.p10) / self.p50 }
    }
}

/// The nearest rank: a sample that was measured, never one in between.
fn rank(sorted: &[f64], percent: usize) -> f64 {
    sorted[(sorted.len() * percent).div_ceil(100).max(1) - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_samples() {
        let mut samples: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        let summary = Summary::of(&mut samples).unwrap();
        assert_eq!((summary.min, summary.max, summary.mean), (1.0, 200.0, 100.5));
        assert_eq!([summary.p10, summary.p50, summary.p90, summary.p99], [20.0, 100.0, 180.0, 198.0]);
        assert!(summary.samples.is_empty());
        assert_eq!(summary.spread(), 1.6);
    }

    #[test]
    fn few_samples_are_kept() {
        let summary = Summary::of(&mut [2.0, 1.0]).unwrap();
        assert_eq!(summary.samples, [1.0, 2.0]);
        assert_eq!((summary.p50, summary.p99), (1.0, 2.0));
    }

    #[test]
    fn one_sample_is_all_of_them() {
        assert_eq!(Summary::of(&mut [7.0]).unwrap(), Summary::exact(7.0));
        assert_eq!(Summary::exact(0.0).spread(), 0.0);
    }

    #[test]
    fn nothing_has_no_summary() {
        assert_eq!(Summary::of(&mut []), None);
    }
}
