//! Time and memory of the microbenchmark, for each setting of huge pages and of clearing.

use super::Bar;
use crate::bench::plan::Subject;
use crate::bench::results::{Boot, Query, Results};
use record::{Content, Measure, Way, Workload};

/// The pages that are touched, and the least share of time to be saved: else what plain memory saves, minus 2 points.
const TOUCHES: [(u64, Option<f64>); 3] = [(1, Some(0.99)), (500, None), (1000, None)];
const POINTS: f64 = 0.02;
/// What peak memory may differ by, relative to plain memory and beyond that in bytes.
const MEMORY: (f64, f64) = (0.001, 4096.0);
const CASES: [&str; 3] = ["touch, THP never", "touch, mTHP 64k", "touch, THP always"];

/// All bars of both settings of clearing.
pub fn bars(results: &Results) -> Vec<Bar> {
    let boots = [false, true].into_iter().filter_map(|init| results.first(Subject::Demo, init));
    boots.flat_map(|boot| CASES.into_iter().flat_map(move |case| of_case(boot, case))).collect()
}

fn of_case(boot: &Boot, case: &str) -> Vec<Bar> {
    let init = if boot.init_on_alloc { ", init_on_alloc=1" } else { "" };
    let mut bars = Vec::new();
    for (size, least) in TOUCHES {
        let title = format!("{case}{init}: {size} of 1000");
        let time = Query::time(Workload::Microbench, case, size);
        bars.extend(saved(boot, &title, time, least));
        bars.extend(memory(boot, &title, Query { measure: Measure::PeakRss, ..time }));
    }
    bars
}

fn saved(boot: &Boot, title: &str, query: Query<'_>, least: Option<f64>) -> Option<Bar> {
    let plain = boot.plain(query)?.p50;
    let margins = Content::PATTERNS.into_iter().filter_map(|content| {
        let memset = boot.get(query, Way::Memset, content)?.p50;
        let saved = |time: f64| 1.0 - time / memset;
        let wanted = least.unwrap_or(saved(plain) - POINTS);
        Some((saved(boot.get(query, Way::Refpage, content)?.p50), wanted, saved(plain), content))
    });
    let (saved, wanted, plain, content) = margins.min_by(|a, b| (a.0 - a.1).total_cmp(&(b.0 - b.1)))?;
    let figure = format!("{:.2} % ({}); plain {:.2} %", saved * 100.0, content.name(), plain * 100.0);
    Some(Bar::new(format!("{title}, time saved"), format!("at least {:.2} %", wanted * 100.0), figure, saved >= wanted))
}

fn memory(boot: &Boot, title: &str, query: Query<'_>) -> Option<Bar> {
    let plain = boot.plain(query)?.p50;
    let peaks = Content::PATTERNS
        .into_iter()
        .filter_map(|content| Some((boot.get(query, Way::Refpage, content)?.p50, content)));
    let (peak, content) = peaks.max_by(|a, b| a.0.total_cmp(&b.0))?;
    let limit = plain * (1.0 + MEMORY.0) + MEMORY.1;
    let figure = format!("{:.0} KiB ({})", peak / 1024.0, content.name());
    Some(Bar::new(format!("{title}, peak memory"), format!("at most {:.0} KiB", limit / 1024.0), figure, peak <= limit))
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;
    use crate::bench::results::tests::{boot, results};

    fn verdict(size: u64, memset: f64, plain: f64, refpage: f64) -> Verdict {
        let row = |way, content, value| (Workload::Microbench, CASES[0], size, way, content, value);
        let boot = boot(&[
            row(Way::Memset, Content::Byte, memset),
            row(Way::Plain, Content::None, plain),
            row(Way::Refpage, Content::Byte, refpage),
        ]);
        bars(&results(vec![boot]))[0].verdict
    }

    #[test]
    fn half_touched_must_save_what_plain_memory_saves_minus_two_points() {
        assert_eq!(verdict(500, 100.0, 50.0, 52.0), Verdict::Met);
        assert_eq!(verdict(500, 100.0, 50.0, 52.1), Verdict::Missed);
    }

    #[test]
    fn one_page_touched_must_save_nearly_all() {
        assert_eq!(verdict(1, 1000.0, 5.0, 10.0), Verdict::Met);
        assert_eq!(verdict(1, 1000.0, 5.0, 11.0), Verdict::Missed);
    }
}
