//! Real programs on a real allocator, against plain anonymous memory.

use super::{Bar, Ratios, joined};
use crate::bench::plan::Subject;
use crate::bench::results::{Boot, Query, Results};
use record::{Content, Key, Measure, Way, Workload};

const LIMIT: f64 = 1.001;
/// How the names of those cases begin that are documents.
const DOCUMENT: &str = "PDF, ";

/// Time and memory, of the documents and of the other programs.
pub fn bars(results: &Results) -> Vec<Bar> {
    let boots: Vec<&Boot> = results.of(Subject::Demo, false).collect();
    if boots.is_empty() {
        return Vec::new();
    }
    let mut bars = Vec::new();
    for (name, documents) in [("PDF under Scudo", true), ("other programs under Scudo", false)] {
        for measure in [Measure::Time, Measure::PeakRss] {
            let name = format!("{name}, {} of plain memory", measure.name());
            bars.push(Bar::worst(name, LIMIT, joined(boots.iter().map(|boot| ratios(boot, documents, measure)))));
        }
    }
    bars
}

fn ratios(boot: &Boot, documents: bool, measure: Measure) -> Ratios {
    let wanted = |key: &Key| key.workload == Workload::Heap && key.case.starts_with(DOCUMENT) == documents;
    if let Some(why) = boot.lacks(wanted) {
        return Err(why);
    }
    let rows = boot.of(Workload::Heap, measure).filter(|row| row.key.way == Way::Refpage && wanted(&row.key));
    let ratios = rows.filter_map(|row| {
        let query = Query { measure, ..Query::time(Workload::Heap, &row.key.case, row.key.size) };
        let plain = boot.get(query, Way::Plain, Content::None)?;
        Some((row.summary.p50 / plain.p50, format!("{} ({})", row.key.case, row.key.size)))
    });
    Ok(ratios.collect())
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;
    use crate::bench::results::tests::{boot, results};

    #[test]
    fn documents_and_others_are_judged_apart() {
        let row = |case, way, content, value| (Workload::Heap, case, 100, way, content, value);
        let boot = boot(&[
            row("PDF, a", Way::Plain, Content::None, 1000.0),
            row("PDF, a", Way::Refpage, Content::Byte, 1000.5),
            row("threads", Way::Plain, Content::None, 1000.0),
            row("threads", Way::Refpage, Content::Byte, 1001.5),
        ]);
        let verdicts: Vec<Verdict> = bars(&results(vec![boot])).iter().map(|bar| bar.verdict).collect();
        assert_eq!(verdicts, [Verdict::Met, Verdict::Open, Verdict::Missed, Verdict::Open]);
    }
}
