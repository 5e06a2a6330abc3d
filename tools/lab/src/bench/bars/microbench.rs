//! Time and memory of the microbenchmark, for each setting of huge pages and of clearing.

use super::{Bar, NOT_MEASURED};
use crate::bench::plan::Subject;
use crate::bench::results::{Boot, Query, Results};
use record::{Content, Measure, Way, Workload};

/// A case, how many pages it maps, and of which numbers of them it touches.
const CASES: [(&str, u64, [u64; 3]); 5] = [
    ("touch, THP never", 1000, [1, 500, 1000]),
    ("touch, mTHP 64k", 1000, [1, 500, 1000]),
    ("touch, THP always", 1000, [1, 500, 1000]),
    ("touch, mTHP 64k, aligned", 1024, [1, 512, 1024]),
    ("touch, THP always, aligned", 1024, [1, 512, 1024]),
];
/// The least share of time to be saved where a single page is touched that gets no large folio. Else it is what plain memory
/// saves, minus some points.
const SINGLE: f64 = 0.99;
const POINTS: f64 = 0.02;
/// What peak memory may differ by, relative to plain memory and beyond that in bytes.
const MEMORY: (f64, f64) = (0.001, 4096.0);

/// All bars of both settings of clearing, by the worst of all boots.
pub fn bars(results: &Results) -> Vec<Bar> {
    let of_kernel = |init| of_kernel(&results.of(Subject::Demo, init).collect::<Vec<_>>(), init);
    [false, true].into_iter().flat_map(of_kernel).collect()
}

/// None where it was not booted.
fn of_kernel(boots: &[&Boot], init_on_alloc: bool) -> Vec<Bar> {
    let init = if init_on_alloc { ", init_on_alloc=1" } else { "" };
    let mut bars = Vec::new();
    for (case, pages, touches) in CASES.into_iter().filter(|_| !boots.is_empty()) {
        for size in touches {
            let title = format!("{case}{init}: {size} of {pages}");
            let time = Query::time(Workload::Microbench, case, size);
            let least = (size == 1 && pages == 1000).then_some(SINGLE);
            bars.push(saved(boots, &title, time, least));
            bars.push(memory(boots, &title, Query { measure: Measure::PeakRss, ..time }));
        }
    }
    bars
}

/// What is judged: the content, its value, the limit, and what else is told.
struct Judged {
    content: Content,
    value: f64,
    limit: f64,
    plain: f64,
}

/// Judges each content in each boot.
fn judge(
    boots: &[&Boot],
    query: Query<'_>,
    judge: impl Fn(&Boot, Content) -> Option<Judged>,
) -> Result<Vec<Judged>, String> {
    if let Some(why) = boots.iter().find_map(|boot| boot.lacks(|key| query.covers(key))) {
        return Err(why);
    }
    Ok(boots.iter().flat_map(|boot| Content::PATTERNS.into_iter().filter_map(|content| judge(boot, content))).collect())
}

fn saved(boots: &[&Boot], title: &str, query: Query<'_>, least: Option<f64>) -> Bar {
    let judged = judge(boots, query, |boot, content| {
        let memset = boot.get(query, Way::Memset, content)?.p50;
        let saved = |time: f64| 1.0 - time / memset;
        let plain = saved(boot.plain(query)?.p50);
        let value = saved(boot.get(query, Way::Refpage, content)?.p50);
        Some(Judged { content, value, limit: least.unwrap_or(plain - POINTS), plain })
    });
    let name = format!("{title}, time saved");
    let worst = judged.map(|all| all.into_iter().min_by(|a, b| (a.value - a.limit).total_cmp(&(b.value - b.limit))));
    bar(name, worst, |Judged { content, value, limit, plain }| {
        let figure = format!("{:.2} % ({}); plain {:.2} %", value * 100.0, content.name(), plain * 100.0);
        (format!("at least {:.2} %", limit * 100.0), figure, value >= limit)
    })
}

fn memory(boots: &[&Boot], title: &str, query: Query<'_>) -> Bar {
    let judged = judge(boots, query, |boot, content| {
        let plain = boot.plain(query)?.p50;
        let value = boot.get(query, Way::Refpage, content)?.p50;
        Some(Judged { content, value, limit: plain * (1.0 + MEMORY.0) + MEMORY.1, plain })
    });
    let name = format!("{title}, peak memory");
    let worst = judged.map(|all| all.into_iter().max_by(|a, b| (a.value - a.limit).total_cmp(&(b.value - b.limit))));
    bar(name, worst, |Judged { content, value, limit, plain }| {
        let figure = format!("{:.0} KiB ({}); plain {:.0} KiB", value / 1024.0, content.name(), plain / 1024.0);
        (format!("at most {:.0} KiB", limit / 1024.0), figure, value <= limit)
    })
}

/// `told` gives limit, figure, and whether it is met.
fn bar(
    name: String,
    worst: Result<Option<Judged>, String>,
    told: impl FnOnce(Judged) -> (String, String, bool),
) -> Bar {
    const LIMIT: &str = "depends on plain memory";
    match worst {
        Ok(Some(judged)) => {
            let (limit, figure, met) = told(judged);
            Bar::new(name, limit, figure, met)
        }
        Ok(None) => Bar::open(name, LIMIT, NOT_MEASURED),
        Err(why) => Bar::open(name, LIMIT, why),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;
    use crate::bench::results::tests::{boot, results};

    fn verdict(size: u64, memset: f64, plain: f64, refpage: f64) -> Verdict {
        let row = |way, content, value| (Workload::Microbench, CASES[0].0, size, way, content, value);
        let boot = boot(&[
            row(Way::Memset, Content::Byte, memset),
            row(Way::Plain, Content::None, plain),
            row(Way::Refpage, Content::Byte, refpage),
        ]);
        let title = format!("{}: {size} of 1000, time saved", CASES[0].0);
        bars(&results(vec![boot])).iter().find(|bar| bar.name == title).unwrap().verdict
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
