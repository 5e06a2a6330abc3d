//! What those pay who do not use reference pages: each kernel with the series against the one without.

use super::Bar;
use crate::bench::plan::Subject;
use crate::bench::results::{Boot, Clock, Query, Results};
use record::{Measure, Summary, Workload};

const LIMIT: f64 = 1.005;
/// The structures, and the bytes that they may grow by.
const STRUCTURES: [(&str, f64); 2] = [("vm_area_struct", 0.0), ("mm_struct", 8.0)];

/// All bars: for each kernel one of time, and one for each structure.
pub fn bars(results: &Results) -> Vec<Bar> {
    let base = results.first(Subject::Unpatched, false);
    let mut bars = Vec::new();
    for subject in [Subject::Demo, Subject::DemoOff] {
        let name = format!("everybody else, {} against unpatched", subject.name());
        match results.first(subject, false).zip(base) {
            Some((boot, base)) => {
                bars.push(Bar::worst(name, LIMIT, ratios(results, boot)));
                bars.extend(STRUCTURES.iter().filter_map(|&(structure, grow)| size(boot, base, structure, grow)));
            }
            None => bars.push(Bar::open(name, format!("at most {LIMIT}"), "needs both kernels: run without QUICK=1")),
        }
    }
    bars
}

/// Of the medians of all boots: where a process is forked, boots of one kernel differ by more than the kernels do.
fn ratios(results: &Results, boot: &Boot) -> Vec<(f64, String)> {
    let rows = boot.of(Workload::Everybody, Measure::Time);
    rows.filter_map(|row| {
        let query = Query::time(Workload::Everybody, &row.key.case, row.key.size);
        let of = |subject| Summary::of(&mut medians(results, subject, query));
        let (now, before) = (of(boot.subject)?, of(Subject::Unpatched)?);
        let apart = [&now, &before].map(|boots| boots.max / boots.min - 1.0).into_iter().fold(0.0, f64::max) * 100.0;
        let what = format!("{}, where boots of one kernel differ by up to {apart:.1} %", row.key.case);
        Some((now.mean / before.mean, what))
    })
    .collect()
}

fn medians(results: &Results, subject: Subject, query: Query<'_>) -> Vec<f64> {
    let boots = results.boots.iter().filter(|boot| boot.subject == subject && boot.clock == Clock::Instructions);
    boots.filter(|boot| !boot.init_on_alloc).filter_map(|boot| Some(boot.plain(query)?.p50)).collect()
}

fn size(boot: &Boot, base: &Boot, structure: &str, grow: f64) -> Option<Bar> {
    let query = Query { measure: Measure::Structure, ..Query::time(Workload::Everybody, structure, 0) };
    let (now, before) = (boot.plain(query)?.p50, base.plain(query)?.p50);
    let name = format!("size of {structure}, {}", boot.subject.name());
    Some(Bar::new(name, format!("at most {} B", before + grow), format!("{now} B"), now <= before + grow))
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;
    use crate::bench::results::tests::{boot, results};
    use record::{Content, Way};

    fn with(subject: Subject, time: f64) -> Boot {
        let rows = [(Workload::Everybody, "read fault", 0, Way::Plain, Content::None, time)];
        Boot { subject, ..boot(&rows) }
    }

    #[test]
    fn half_a_percent_is_the_most() {
        let boots = vec![with(Subject::Demo, 1004.0), with(Subject::DemoOff, 1006.0), with(Subject::Unpatched, 1000.0)];
        let verdicts: Vec<Verdict> = bars(&results(boots)).iter().map(|bar| bar.verdict).collect();
        assert_eq!(verdicts, [Verdict::Met, Verdict::Missed]);
    }

    #[test]
    fn without_the_other_kernel_the_bar_is_open() {
        let bars = bars(&results(vec![with(Subject::Demo, 1.0)]));
        assert!(bars.iter().all(|bar| bar.verdict == Verdict::Open));
    }
}
