//! Mappings of a content that the process has captured already.

use super::Bar;
use crate::bench::plan::Subject;
use crate::bench::results::{Boot, Query, Results};
use record::{Content, Measure, Way, Workload};

/// Where the reference page lies, and the limit of a call against one for plain memory.
const LIMITS: [(Way, &str, f64); 2] =
    [(Way::RefpageOfRefpage, "a MAP_REFPAGE mapping", 1.1), (Way::Refpage, "ordinary memory", 1.3)];
const CASES: [&str; 2] = ["mmap beside the same", "mmap of one more"];
const MAPPINGS: u64 = 1000;

/// All bars.
pub fn bars(results: &Results) -> Vec<Bar> {
    let Some(boot) = results.first(Subject::Demo, false) else { return Vec::new() };
    let mut bars = Vec::new();
    for (way, place, limit) in LIMITS {
        for content in Content::PATTERNS {
            let name = format!("mmap of a captured content, reference in {place}, {}", content.name());
            let ratios = CASES.into_iter().flat_map(|case| ratios(boot, case, way, content));
            bars.push(Bar::worst(name, limit, ratios));
        }
    }
    bars.extend(counted(boot, "mmap, apart", Measure::Captured, "1000 mappings of one content hold one captured page"));
    bars.extend(counted(
        boot,
        "mmap, adjacent",
        Measure::Areas,
        "1000 adjacent mappings of one content merge into one area",
    ));
    bars
}

fn ratios(boot: &Boot, case: &str, way: Way, content: Content) -> Vec<(f64, String)> {
    let query = Query::time(Workload::Scale, case, 0);
    let both = boot.get(query, way, content).zip(boot.plain(query));
    both.map_or_else(Vec::new, |(refpage, plain)| {
        vec![(refpage.p50 / plain.p50, format!("{case}, median")), (refpage.mean / plain.mean, format!("{case}, mean"))]
    })
}

fn counted(boot: &Boot, case: &str, measure: Measure, name: &str) -> Option<Bar> {
    let query = Query { measure, ..Query::time(Workload::Scale, case, MAPPINGS) };
    let count = boot.get(query, Way::Refpage, Content::Byte)?.p50;
    Some(Bar::new(name, "at most 1 in addition", format!("{count:.0}"), count <= 1.0))
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;
    use crate::bench::results::tests::{boot, results};

    #[test]
    fn a_reference_in_ordinary_memory_may_cost_more() {
        let row = |way, content, value| (Workload::Scale, CASES[0], 0, way, content, value);
        let boot = boot(&[
            row(Way::Plain, Content::None, 100.0),
            row(Way::Refpage, Content::Byte, 120.0),
            row(Way::RefpageOfRefpage, Content::Byte, 120.0),
        ]);
        let bars = bars(&results(vec![boot]));
        let verdict = |start: &str| bars.iter().find(|bar| bar.name.contains(start)).unwrap().verdict;
        assert_eq!(verdict("ordinary memory, 0xAA"), Verdict::Met);
        assert_eq!(verdict("MAP_REFPAGE mapping, 0xAA"), Verdict::Missed);
        assert_eq!(verdict("ordinary memory, a page"), Verdict::Open);
    }
}
