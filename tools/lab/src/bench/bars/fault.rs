//! Page faults against those of plain memory: the median and the mean must both be within the limit.

use super::Bar;
use crate::bench::plan::Subject;
use crate::bench::results::{Boot, Query, Results};
use crate::bench::wall;
use record::{Content, Row, Way, Workload};

/// A kind of access, the contents that share a limit, and the limit.
const BARS: [(&str, &[Content], f64); 9] = [
    ("first load", &Content::PATTERNS, 1.01),
    ("first store", &PERIODS, 1.02),
    ("first store", &[Content::Page], 1.03),
    ("first store, 16 KiB", &PERIODS, 1.02),
    ("first store, 16 KiB", &[Content::Page], 1.03),
    ("first store, 64 KiB", &PERIODS, 1.02),
    ("first store, 64 KiB", &[Content::Page], 1.03),
    ("first store, 2 MiB", &PERIODS, 1.02),
    ("first store, 2 MiB", &[Content::Page], 1.03),
];
const PERIODS: [Content; 2] = [Content::Byte, Content::Sixteen];

/// All bars of both settings of clearing, and those of stores on the processor of the host.
pub fn bars(results: &Results) -> Vec<Bar> {
    let boots = [false, true].into_iter().filter_map(|init| results.first(Subject::Demo, init));
    boots.flat_map(of_boot).chain(of_processor(&results.processor)).collect()
}

/// Instruction time knows no caches: what the content costs is taken from the host, in parts of its own page fault.
fn of_processor(rows: &[Row]) -> impl Iterator<Item = Bar> {
    let bars = BARS.into_iter().filter(|(case, ..)| *case == "first store");
    bars.flat_map(|(case, contents, limit)| contents.iter().map(move |&content| (case, content, limit))).map(
        |(case, content, limit)| {
            let name = format!("{case} on the host's processor, stores alone, {}, against zeros", content.name());
            let ratio = wall::first_store(rows, content).map(|(ratio, place)| (ratio, place.to_owned()));
            Bar::worst(name, limit, ratio)
        },
    )
}

fn of_boot(boot: &Boot) -> [Bar; BARS.len()] {
    let init = if boot.init_on_alloc { ", init_on_alloc=1" } else { "" };
    BARS.map(|(case, contents, limit)| {
        let names: Vec<&str> = contents.iter().map(|content| content.name()).collect();
        let name = format!("{case}{init}, {}, against plain memory", names.join(" / "));
        Bar::worst(name, limit, contents.iter().flat_map(|&content| ratios(boot, case, content)))
    })
}

fn ratios(boot: &Boot, case: &str, content: Content) -> Vec<(f64, String)> {
    let query = Query::time(Workload::Fault, case, 0);
    let both = boot.get(query, Way::Refpage, content).zip(boot.plain(query));
    both.map_or_else(Vec::new, |(refpage, plain)| {
        let told = |what: &str| format!("{}, {what}", content.name());
        vec![(refpage.p50 / plain.p50, told("median")), (refpage.mean / plain.mean, told("mean"))]
    })
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;
    use crate::bench::results::tests::{boot, results};

    #[test]
    fn the_processor_of_the_host_is_judged_too() {
        let rows = |longer| wall::tests::rows(Content::Sixteen, longer);
        let verdict = |longer| of_processor(&rows(longer)).map(|bar| bar.verdict).collect::<Vec<_>>();
        let open = Verdict::Open;
        assert_eq!(verdict(20.0), [open, Verdict::Met, open]);
        assert_eq!(verdict(21.0), [open, Verdict::Missed, open]);
    }

    #[test]
    fn a_page_may_cost_more_than_a_pattern() {
        let row = |way, content, value| (Workload::Fault, "first store", 0, way, content, value);
        let boot = boot(&[
            row(Way::Plain, Content::None, 1000.0),
            row(Way::Refpage, Content::Byte, 1025.0),
            row(Way::Refpage, Content::Page, 1025.0),
        ]);
        let verdicts: Vec<Verdict> = bars(&results(vec![boot])).iter().map(|bar| bar.verdict).collect();
        assert_eq!(verdicts[..3], [Verdict::Open, Verdict::Missed, Verdict::Met]);
    }
}
