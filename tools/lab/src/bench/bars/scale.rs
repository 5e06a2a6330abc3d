//! Mappings of a content that the process has captured already.

use super::{Bar, NOT_MEASURED, against_plain, joined};
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
    let boots: Vec<&Boot> = results.of(Subject::Demo, false).collect();
    if boots.is_empty() {
        return Vec::new();
    }
    let mut bars = Vec::new();
    for (way, place, limit) in LIMITS {
        for content in Content::PATTERNS {
            let name = format!("mmap of a captured content, reference in {place}, {}", content.name());
            let queries = CASES.map(|case| Query::time(Workload::Scale, case, 0));
            let ratios = queries.map(|query| against_plain(&boots, query, way, content));
            bars.push(Bar::worst(name, limit, joined(ratios)));
        }
    }
    bars.push(counted(&boots, "mmap, apart", Measure::Captured, "1000 mappings of one content hold one captured page"));
    bars.push(counted(
        &boots,
        "mmap, adjacent",
        Measure::Areas,
        "1000 adjacent mappings of one content merge into one area",
    ));
    bars
}

fn counted(boots: &[&Boot], case: &str, measure: Measure, name: &str) -> Bar {
    const LIMIT: &str = "at most 1 in addition";
    let query = Query { measure, ..Query::time(Workload::Scale, case, MAPPINGS) };
    let counts = boots.iter().filter_map(|boot| Some(boot.get(query, Way::Refpage, Content::Byte)?.p50));
    match counts.reduce(f64::max) {
        Some(count) => Bar::new(name, LIMIT, format!("{count:.0}"), count <= 1.0),
        None => Bar::open(name, LIMIT, NOT_MEASURED),
    }
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
