//! The charts of the report.

use super::plan::Subject;
use super::results::{Boot, Query, Results};
use crate::chart::{Bars, Lines};
use anyhow::Result;
use record::{Content, Fault, Measure, Row, Way, Workload};
use std::path::Path;

/// Ways of the microbenchmark and of programs that read first, in the order of their bars.
const WAYS: [Way; 7] =
    [Way::Memset, Way::Plain, Way::Refpage, Way::Memfd, Way::UffdThread, Way::UffdSigbus, Way::RefpageFilled];
/// Ways in which an allocator gets its memory, but plain memory.
const HEAP_WAYS: [Way; 4] = [Way::Memset, Way::Refpage, Way::RefpageCleared, Way::Allocator];
/// Ways in which large blocks get tags, the first one not at all.
const TAG_WAYS: [Way; 4] = [Way::Plain, Way::TagZero, Way::TagStores, Way::Refpage];
/// Charts of large blocks: file, setting of huge pages, measure.
const TAGS: [(&str, &str, Measure); 4] = [
    ("tags-time.svg", "THP never", Measure::Time),
    ("tags-time-huge.svg", "THP always", Measure::Time),
    ("tags-memory.svg", "THP never", Measure::PeakRss),
    ("tags-memory-huge.svg", "THP always", Measure::PeakRss),
];
const MAPPINGS: [&str; 4] = ["mmap, apart", "munmap, apart", "fork, apart", "exit, apart"];

/// Draws what the first boot has values for, and gives the names of the files.
pub fn draw(results: &Results, folder: &Path) -> Result<Vec<String>> {
    let Some(boot) = results.first(Subject::Demo, false) else { return Ok(Vec::new()) };
    let bars = [
        ("microbench.svg", microbench(boot)),
        ("faults.svg", faults(boot)),
        ("read-first-time.svg", read_first(boot, Measure::Time)),
        ("read-first-memory.svg", read_first(boot, Measure::PeakRss)),
        ("reads.svg", reads(boot)),
        ("heap-time.svg", heap(boot, Measure::Time)),
        ("heap-memory.svg", heap(boot, Measure::PeakRss)),
    ];
    let tags = TAGS.map(|(name, setting, measure)| (name, tags(boot, setting, measure)));
    let mut names = Vec::new();
    for (name, chart) in bars.into_iter().chain(tags).filter(|(_, chart)| !chart.groups.is_empty()) {
        chart.draw(&folder.join(name))?;
        names.push(name.to_owned());
    }
    for case in MAPPINGS {
        let chart = growth(boot, case);
        if !chart.lines.is_empty() {
            let name = format!("{}.svg", case.replace(", ", "-"));
            chart.draw(&folder.join(&name))?;
            names.push(name);
        }
    }
    Ok(names)
}

fn microbench(boot: &Boot) -> Bars {
    let query = |touch| Query::time(Workload::Microbench, "touch, THP never", touch);
    let groups = [1, 500, 1000].map(|touch| (format!("{touch} of 1000 touched"), query(touch)));
    relative(boot, "Microbenchmark, 0xAA: time relative to memset", groups.into(), Way::Memset)
}

fn read_first(boot: &Boot, measure: Measure) -> Bars {
    let mut groups = Vec::new();
    for row in boot.of(Workload::ReadFirst, measure).filter(|row| row.key.way == Way::Memset) {
        let query = Query { measure, ..Query::time(Workload::ReadFirst, &row.key.case, row.key.size) };
        groups.push((row.key.case.clone(), query));
    }
    let title = format!("Programs that read first: {} relative to memset", measure.name());
    relative(boot, &title, groups, Way::Memset)
}

/// Programs on the larger mapping, whose captured content another one holds.
fn reads(boot: &Boot) -> Bars {
    let rows: Vec<&Row> = boot.of(Workload::Reads, Measure::Time).filter(|row| row.key.way == Way::Plain).collect();
    let size = rows.iter().map(|row| row.key.size).max().unwrap_or_default();
    let mut groups: Vec<(String, Vec<f64>)> = Vec::new();
    let mut series: Vec<String> = Vec::new();
    for row in rows.into_iter().filter(|row| row.key.size == size) {
        let Some((program, setting)) = row.key.case.rsplit_once(", ") else { continue };
        let query = Query::time(Workload::Reads, &row.key.case, size);
        let found = boot.get(query, Way::RefpageOfRefpage, Content::Byte);
        let height = found.map_or(f64::NAN, |found| found.p50 / row.summary.p50);
        if series.last().is_none_or(|last| last != setting) {
            series.push(setting.to_owned());
        }
        match groups.iter_mut().find(|(name, _)| name == program) {
            Some((_, heights)) => heights.push(height),
            None => groups.push((program.to_owned(), vec![height])),
        }
    }
    Bars { title: "Loads of never-written memory: time relative to plain memory".into(), series, groups }
}

/// Real programs differ by so little that only the differences show.
fn heap(boot: &Boot, measure: Measure) -> Bars {
    let plain = boot.of(Workload::Heap, measure).filter(|row| row.key.way == Way::Plain);
    let groups = plain.map(|row| {
        let query = Query { measure, ..Query::time(Workload::Heap, &row.key.case, row.key.size) };
        let more = |way| {
            let found = boot.get(query, way, Content::Byte);
            found.map_or(f64::NAN, |found| (found.p50 / row.summary.p50 - 1.0) * 100.0)
        };
        (row.key.case.clone(), HEAP_WAYS.map(more).into())
    });
    Bars {
        title: format!("Real programs under Scudo: {}, per cent over plain memory", measure.name()),
        series: HEAP_WAYS.map(|way| way.name().to_owned()).into(),
        groups: groups.collect(),
    }
}

/// Large blocks with tags, as parts of what storing these takes.
fn tags(boot: &Boot, setting: &str, measure: Measure) -> Bars {
    let stored = boot.of(Workload::Tags, measure).filter(|row| row.key.way == Way::TagStores);
    let groups = stored.filter_map(|row| {
        let part = row.key.case.strip_suffix(setting)?.strip_suffix(", ")?;
        let query = Query { measure, ..Query::time(Workload::Tags, &row.key.case, row.key.size) };
        let height = |way| boot.get(query, way, Content::None).map_or(f64::NAN, |found| found.p50 / row.summary.p50);
        Some((format!("{} pages, {part}", row.key.size), TAG_WAYS.map(height).into()))
    });
    let name = |way| if way == Way::Plain { "tag 0" } else { Way::name(way) };
    Bars {
        title: format!("Large blocks, {setting}: {} relative to stored tags", measure.name()),
        series: TAG_WAYS.map(|way| name(way).to_owned()).into(),
        groups: groups.collect(),
    }
}

/// A group for each question that the base has an answer to.
fn relative(boot: &Boot, title: &str, groups: Vec<(String, Query<'_>)>, base: Way) -> Bars {
    let height = |query, way| boot.get(query, way, content(way)).map(|summary| summary.p50);
    let groups = groups.into_iter().filter_map(|(name, query)| {
        let base = height(query, base)?;
        Some((name, WAYS.map(|way| height(query, way).map_or(f64::NAN, |height| height / base)).into()))
    });
    Bars { title: title.into(), series: WAYS.map(|way| way.name().to_owned()).into(), groups: groups.collect() }
}

fn content(way: Way) -> Content {
    if way == Way::Plain { Content::None } else { Content::Byte }
}

fn faults(boot: &Boot) -> Bars {
    let subjects = Content::PATTERNS.map(|content| (Way::Refpage, content));
    let series = subjects.map(|(way, content)| format!("{}, {}", way.name(), content.name()));
    let groups = Fault::ALL.into_iter().filter_map(|fault| {
        let query = Query::time(Workload::Fault, fault.name(), 0);
        let plain = boot.plain(query)?.mean;
        let height = |(way, content)| boot.get(query, way, content).map_or(f64::NAN, |found| found.mean / plain);
        Some((fault.name().to_owned(), subjects.map(height).into()))
    });
    Bars {
        title: "Mean time of a page fault, relative to plain memory".into(),
        series: series.into(),
        groups: groups.collect(),
    }
}

fn growth(boot: &Boot, case: &str) -> Lines {
    let ways = [Way::Plain, Way::Memfd, Way::Refpage, Way::RefpageOfRefpage];
    let lines = ways.map(|way| {
        let rows = boot.of(Workload::Scale, Measure::Time).filter(|row| row.key.case == case && row.key.way == way);
        let points: Vec<(f64, f64)> = rows.map(|row| (row.key.size as f64, row.summary.p50)).collect();
        (way.name().to_owned(), points)
    });
    Lines {
        title: format!("{case}: time by number of mappings"),
        axes: ("mappings of one page".into(), "ns".into()),
        lines: lines.into_iter().filter(|(_, points)| points.len() > 1).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::results::tests::{boot, results};
    use super::*;

    #[test]
    fn bars_are_relative_to_memset() {
        let row = |way, content, value| (Workload::Microbench, "touch, THP never", 500, way, content, value);
        let boot = boot(&[row(Way::Memset, Content::Byte, 200.0), row(Way::Plain, Content::None, 100.0)]);
        let chart = microbench(&boot);
        assert_eq!(chart.groups.len(), 1);
        assert_eq!(chart.groups[0].1[..2], [1.0, 0.5]);
        assert!(chart.groups[0].1[2].is_nan());
    }

    #[test]
    fn real_programs_show_what_they_take_more() {
        let row = |way, content, value| (Workload::Heap, "PDF", 100, way, content, value);
        let boot = boot(&[row(Way::Memset, Content::Byte, 101.0), row(Way::Plain, Content::None, 100.0)]);
        let chart = heap(&boot, Measure::Time);
        assert!((chart.groups[0].1[0] - 1.0).abs() < 1e-9 && chart.groups[0].1[1].is_nan());
    }

    #[test]
    fn large_blocks_are_relative_to_stored_tags() {
        let row = |case, way, value| (Workload::Tags, case, 64, way, Content::None, value);
        let boot = boot(&[
            row("each page, THP never", Way::TagStores, 8.0),
            row("each page, THP never", Way::Plain, 4.0),
            row("each page, THP always", Way::TagStores, 2.0),
        ]);
        let chart = tags(&boot, "THP never", Measure::Time);
        assert_eq!(chart.groups.len(), 1);
        assert_eq!(chart.groups[0].0, "64 pages, each page");
        assert_eq!([chart.groups[0].1[0], chart.groups[0].1[2]], [0.5, 1.0]);
        assert!(chart.groups[0].1[3].is_nan());
    }

    #[test]
    fn only_what_was_measured_is_drawn() {
        let folder = tempfile::tempdir().unwrap();
        let row = |size| (Workload::Scale, "mmap, apart", size, Way::Plain, Content::None, 100.0 + size as f64);
        let names = draw(&results(vec![boot(&[row(1), row(10)])]), folder.path()).unwrap();
        assert_eq!(names, ["mmap-apart.svg"]);
        assert!(folder.path().join("mmap-apart.svg").exists());
        assert!(draw(&results(Vec::new()), folder.path()).unwrap().is_empty());
    }
}
