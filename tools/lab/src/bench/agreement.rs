//! How well boots of the same kind agree.

use super::results::{Boot, Clock, Results};
use record::{Key, Measure};

/// Relative to the first boot, above which two medians do not agree.
const LIMIT: f64 = 0.005;

/// Two boots of the same kernel in the same way.
pub struct Agreement {
    /// The kernel.
    pub name: &'static str,
    /// Values of time that both have.
    pub compared: usize,
    /// Those whose medians agree.
    pub agree: usize,
    /// The others, the worst first: how far they are apart, relative to the first.
    pub apart: Vec<(f64, Key)>,
}

/// Compares the first two boots of each kernel.
pub fn all(results: &Results) -> Vec<Agreement> {
    let counted = |boot: &&Boot| boot.clock == Clock::Instructions && !boot.init_on_alloc;
    let second = results.boots.iter().filter(counted).filter(|boot| boot.round == 2);
    second.filter_map(|second| Some(compare(results.first(second.subject, false)?, second))).collect()
}

fn compare(first: &Boot, second: &Boot) -> Agreement {
    let mut distances: Vec<(f64, Key)> = first
        .rows
        .iter()
        .filter(|row| row.key.measure == Measure::Time)
        .filter_map(|row| {
            let other = second.rows.iter().find(|other| other.key == row.key)?;
            Some((distance(row.summary.p50, other.summary.p50), row.key.clone()))
        })
        .collect();
    let compared = distances.len();
    distances.retain(|(distance, _)| *distance > LIMIT);
    distances.sort_by(|a, b| b.0.total_cmp(&a.0));
    Agreement { name: first.subject.name(), compared, agree: compared - distances.len(), apart: distances }
}

fn distance(first: f64, second: f64) -> f64 {
    if first == second { 0.0 } else { (second - first).abs() / first.abs().max(f64::MIN_POSITIVE) }
}

#[cfg(test)]
mod tests {
    use super::super::results::tests::{boot, results};
    use super::*;
    use record::{Content, Way, Workload};

    #[test]
    fn values_that_are_apart_are_named() {
        let with = |load, store| {
            boot(&[
                (Workload::Fault, "first load", 0, Way::Plain, Content::None, load),
                (Workload::Fault, "first store", 0, Way::Plain, Content::None, store),
            ])
        };
        let second = Boot { round: 2, ..with(1000.0, 1010.0) };
        let found = &all(&results(vec![with(1001.0, 1000.0), second]))[0];
        assert_eq!((found.compared, found.agree), (2, 1));
        assert_eq!(found.apart[0].1.case, "first store");
    }

    #[test]
    fn one_boot_agrees_with_nothing() {
        assert!(all(&results(vec![boot(&[])])).is_empty());
        assert_eq!(distance(0.0, 0.0), 0.0);
    }
}
