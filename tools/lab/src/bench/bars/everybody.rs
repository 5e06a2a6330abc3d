//! What those pay who do not use reference pages: each kernel with the series against the one without.

use super::{Bar, NOT_MEASURED, Ratios};
use crate::bench::plan::Subject;
use crate::bench::results::{Boot, Query, Results};
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
                bars.extend(STRUCTURES.map(|(structure, grow)| size(boot, base, structure, grow)));
            }
            None => bars.push(Bar::open(name, format!("at most {LIMIT}"), "needs both kernels: run without QUICK=1")),
        }
    }
    bars
}

/// Of the medians of all boots: where a process is forked, boots of one kernel differ by more than the kernels do.
fn ratios(results: &Results, boot: &Boot) -> Ratios {
    let subjects = [boot.subject, Subject::Unpatched];
    let mut boots = subjects.into_iter().flat_map(|subject| results.of(subject, false));
    if let Some(why) = boots.find_map(|boot| boot.lacks(|key| key.workload == Workload::Everybody)) {
        return Err(why);
    }
    let rows = boot.of(Workload::Everybody, Measure::Time);
    let ratios = rows.filter_map(|row| {
        let query = Query::time(Workload::Everybody, &row.key.case, row.key.size);
        let of = |subject| Summary::of(&mut medians(results, subject, query));
        let (now, before) = (of(boot.subject)?, of(Subject::Unpatched)?);
        let apart = [&now, &before].map(|boots| boots.max / boots.min - 1.0).into_iter().fold(0.0, f64::max) * 100.0;
        let what = format!("{}, where boots of one kernel differ by up to {apart:.1} %", row.key.case);
        Some((now.mean / before.mean, what))
    });
    Ok(ratios.collect())
}

fn medians(results: &Results, subject: Subject, query: Query<'_>) -> Vec<f64> {
    results.of(subject, false).filter_map(|boot| Some(boot.plain(query)?.p50)).collect()
}

fn size(boot: &Boot, base: &Boot, structure: &str, grow: f64) -> Bar {
    let query = Query { measure: Measure::Structure, ..Query::time(Workload::Everybody, structure, 0) };
    let name = format!("size of {structure}, {}", boot.subject.name());
    let Some((now, before)) = boot.plain(query).zip(base.plain(query)) else {
        return Bar::open(name, format!("at most {grow} B more"), NOT_MEASURED);
    };
    let (now, limit) = (now.p50, before.p50 + grow);
    Bar::new(name, format!("at most {limit} B"), format!("{now} B"), now <= limit)
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
        let open = Verdict::Open;
        assert_eq!(verdicts, [Verdict::Met, open, open, Verdict::Missed, open, open]);
    }

    #[test]
    fn without_the_other_kernel_the_bar_is_open() {
        let bars = bars(&results(vec![with(Subject::Demo, 1.0)]));
        assert!(bars.iter().all(|bar| bar.verdict == Verdict::Open));
    }
}
