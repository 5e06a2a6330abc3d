//! Page faults against those of plain memory: the median and the mean must both be within the limit.

use super::{Bar, against_plain, joined};
use crate::bench::plan::Subject;
use crate::bench::results::{Boot, Query, Results};
use crate::bench::wall;
use record::{Content, Fault, Row, Way, Workload};

/// A kind of access, the contents that share a limit, and the limit.
const BARS: [(Fault, &[Content], f64); 9] = [
    (Fault::FirstLoad, &Content::PATTERNS, 1.01),
    (Fault::FirstStore, &PERIODS, 1.02),
    (Fault::FirstStore, &[Content::Page], 1.03),
    (Fault::FirstStore16K, &PERIODS, 1.02),
    (Fault::FirstStore16K, &[Content::Page], 1.03),
    (Fault::FirstStore64K, &PERIODS, 1.02),
    (Fault::FirstStore64K, &[Content::Page], 1.03),
    (Fault::FirstStore2M, &PERIODS, 1.02),
    (Fault::FirstStore2M, &[Content::Page], 1.03),
];
const PERIODS: [Content; 2] = [Content::Byte, Content::Sixteen];

/// All bars of both settings of clearing, and those of stores on the processor of the host.
pub fn bars(results: &Results) -> Vec<Bar> {
    let of_kernel = |init| of_kernel(&results.of(Subject::Demo, init).collect::<Vec<_>>(), init);
    let kernels = [false, true].into_iter().flat_map(of_kernel);
    kernels.chain(of_processor(&results.processor)).collect()
}

/// Instruction time knows no caches: what the content costs is taken from the host, in parts of its own page fault.
fn of_processor(rows: &[Row]) -> impl Iterator<Item = Bar> {
    let bars = BARS.into_iter().filter(|(fault, ..)| *fault == Fault::FirstStore);
    bars.flat_map(|(fault, contents, limit)| contents.iter().map(move |&content| (fault, content, limit))).map(
        |(fault, content, limit)| {
            let name =
                format!("{} on the host's processor, stores alone, {}, against zeros", fault.name(), content.name());
            let ratio = wall::first_store(rows, content).map(|(ratio, place)| (ratio, place.to_owned()));
            Bar::worst(name, limit, Ok(ratio.into_iter().collect()))
        },
    )
}

/// None where it was not booted.
fn of_kernel(boots: &[&Boot], init_on_alloc: bool) -> Vec<Bar> {
    let init = if init_on_alloc { ", init_on_alloc=1" } else { "" };
    let bars = BARS.into_iter().filter(|_| !boots.is_empty());
    bars.map(|(fault, contents, limit)| {
        let names: Vec<&str> = contents.iter().map(|content| content.name()).collect();
        let name = format!("{}{init}, {}, against plain memory", fault.name(), names.join(" / "));
        let query = Query::time(Workload::Fault, fault.name(), 0);
        Bar::worst(
            name,
            limit,
            joined(contents.iter().map(|&content| against_plain(boots, query, Way::Refpage, content))),
        )
    })
    .collect()
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
        let row = |way, content, value| (Workload::Fault, Fault::FirstStore.name(), 0, way, content, value);
        let boot = boot(&[
            row(Way::Plain, Content::None, 1000.0),
            row(Way::Refpage, Content::Byte, 1025.0),
            row(Way::Refpage, Content::Page, 1025.0),
        ]);
        let verdicts: Vec<Verdict> = bars(&results(vec![boot])).iter().map(|bar| bar.verdict).collect();
        assert_eq!(verdicts[..3], [Verdict::Open, Verdict::Missed, Verdict::Met]);
    }
}
