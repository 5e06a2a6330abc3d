//! Every alternative that gives the same content must be beaten in mean time, in every row that has both. The median
//! would hide faults that are few and dear, as of a file whose neighbouring pages come along.

use super::{Bar, Verdict};
use crate::bench::plan::Subject;
use crate::bench::results::{Boot, Results};
use record::{Measure, Row, Way, Workload};

/// Rows that say so by name in the figure; of more, the number alone.
const SHOWN: usize = 6;

/// A bar for each alternative.
pub fn bars(results: &Results) -> Vec<Bar> {
    let Some(boot) = results.first(Subject::Demo, false) else { return Vec::new() };
    let rivals = [Way::Memset, Way::UffdThread, Way::UffdSigbus, Way::Memfd, Way::RefpageFilled];
    rivals.into_iter().map(|rival| bar(boot, rival)).collect()
}

fn bar(boot: &Boot, rival: Way) -> Bar {
    let pairs = pairs(boot, rival);
    let name = format!("{} is slower in every row", rival.name());
    if pairs.is_empty() {
        return Bar::open(name, "all rows", "not measured in this run");
    }
    let lost: Vec<String> =
        pairs.iter().filter(|(ours, theirs)| ours.summary.mean > theirs.summary.mean).map(told).collect();
    let mut figure = format!("{} of {}", pairs.len() - lost.len(), pairs.len());
    if !lost.is_empty() {
        let more = lost.len().saturating_sub(SHOWN);
        figure += &format!("; not: {}", lost[..lost.len().min(SHOWN)].join("; "));
        figure += &if more > 0 { format!("; and {more} more") } else { String::new() };
    }
    Bar { name, limit: "all rows".into(), figure, verdict: Verdict::of(lost.is_empty()) }
}

/// Rows of time that differ in the way alone: ours and theirs.
fn pairs(boot: &Boot, rival: Way) -> Vec<(&Row, &Row)> {
    let theirs = boot.rows.iter().filter(|row| row.key.way == rival && row.key.measure == Measure::Time);
    theirs
        .filter_map(|their| {
            let mut wanted = their.key.clone();
            wanted.way = Way::Refpage;
            Some((boot.rows.iter().find(|row| row.key == wanted)?, their))
        })
        .filter(|(ours, _)| !answered_before(ours))
        .collect()
}

/// A store after a load is no fault at all where the load has made the page already.
fn answered_before(row: &Row) -> bool {
    row.key.workload == Workload::Fault && row.key.case == "store after load"
}

fn told((ours, theirs): &(&Row, &Row)) -> String {
    let key = &ours.key;
    let size = if key.size > 0 { format!(" ({})", key.size) } else { String::new() };
    format!("{}{size} {}: {:.3}", key.case, key.content.name(), ours.summary.mean / theirs.summary.mean)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::results::tests::{boot, results};
    use record::Content;

    #[test]
    fn a_row_that_is_lost_is_named() {
        let row = |case, way, value| (Workload::Fault, case, 0, way, Content::Byte, value);
        let boot = boot(&[
            row("first load", Way::Refpage, 3.0),
            row("first load", Way::Memfd, 2.0),
            row("first store", Way::Refpage, 3.0),
            row("first store", Way::Memfd, 4.0),
        ]);
        let bars = bars(&results(vec![boot]));
        let memfd = bars.iter().find(|bar| bar.name.starts_with("memfd")).unwrap();
        assert_eq!(memfd.figure, "1 of 2; not: first load 0xAA: 1.500");
        assert_eq!(memfd.verdict, Verdict::Missed);
        assert_eq!(bars[0].verdict, Verdict::Open);
    }
}
