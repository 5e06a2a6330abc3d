//! The report: bars first, then the values of each boot, as Markdown.

use super::pivot::{Pivot, bytes, ratio, sized, time};
use super::plan::Subject;
use super::results::{Boot, Clock, Query, Results};
use super::{agreement, bars, wall};
use record::{Content, Key, Measure, Row, Summary, Unit, Way, Workload};
use std::fmt::Write;

/// Values that are apart between two boots and are named; of more, the number alone.
const SHOWN: usize = 8;

/// The whole report. `charts` are file names beside it.
pub fn text(results: &Results, charts: &[String]) -> String {
    let mut text = String::from("# Benchmark of reference pages\n\n");
    text += &facts(results);
    text += &section("Bars", bars(results));
    text += &section("Agreement of boots", agreements(results));
    let links: String = charts.iter().map(|chart| format!("![{chart}]({chart})\n")).collect();
    text += &section("Charts", links);
    text += &section("Everybody else", everybody(results));
    text += &section("Processor of the host, median (tenths at both ends)", wall::processor(&results.processor));
    for boot in results.boots.iter().filter(|boot| boot.round == 1 && boot.subject == Subject::Demo) {
        text += &match boot.clock {
            Clock::Instructions => values(boot),
            Clock::Wall => values(boot) + &ratios(boot),
            Clock::Emulated => ratios(boot),
        };
    }
    text += &section("Not measured", missing(results));
    text
}

/// The table of bars.
pub fn bars(results: &Results) -> String {
    let mut table = Pivot::default();
    for bar in bars::all(results) {
        table.put(&bar.name, "limit", bar.limit);
        table.put(&bar.name, "figure", bar.figure);
        table.put(&bar.name, "", bar.verdict.name().into());
    }
    table.text("bar")
}

fn section(title: &str, body: String) -> String {
    if body.is_empty() { body } else { format!("## {title}\n\n{body}\n") }
}

fn facts(results: &Results) -> String {
    let host = &results.host;
    let mut text = format!(
        "Host: {}, {} processors, Linux {}; {}. Sources: {}.\n\n",
        host.processor, host.processors, host.kernel, host.emulator, host.commit
    );
    let mut table = Pivot::default();
    for boot in &results.boots {
        let guest = &boot.guest;
        for (column, cell) in [
            ("kernel", guest.kernel.clone()),
            ("clock", boot.clock.name().to_owned()),
            ("processor", format!("{} x {}", guest.processors, guest.processor)),
            ("memory", bytes(guest.memory_kib as f64 * 1024.0)),
            ("seed", guest.seed.to_string()),
            ("values", boot.rows.len().to_string()),
            ("missing", boot.missing.len().to_string()),
            ("took", format!("{:.0} s", boot.host_seconds)),
        ] {
            table.put(&boot.name, column, cell);
        }
    }
    let _ = writeln!(text, "{}", table.text("boot"));
    text + "Instruction time is 2 ns for each instruction that the guest executes: it tells ratios, not speed, and knows no \
            caches. Times are medians unless a column says otherwise.\n\n"
}

fn agreements(results: &Results) -> String {
    let mut text = String::new();
    for found in agreement::all(results) {
        let _ = writeln!(text, "{}: {} of {} medians agree within 0.5 %.", found.name, found.agree, found.compared);
        for (distance, key) in found.apart.iter().take(SHOWN) {
            let _ = writeln!(text, "- {:.2} %: {key}, {}", distance * 100.0, key.content.name());
        }
        if found.apart.len() > SHOWN {
            let _ = writeln!(text, "- and {} more", found.apart.len() - SHOWN);
        }
    }
    text
}

/// A column for each kernel, and the ratios of the others to the one without the series, or else with the option off.
fn everybody(results: &Results) -> String {
    let mut table = Pivot::default();
    let bases = [Subject::Unpatched, Subject::DemoOff];
    let base = bases.into_iter().find_map(|subject| results.first(subject, false));
    for subject in [Subject::Unpatched, Subject::DemoOff, Subject::Demo] {
        let Some(boot) = results.first(subject, false) else { continue };
        for row in boot.rows.iter().filter(|row| row.key.workload == Workload::Everybody) {
            let Key { case, size, measure, .. } = &row.key;
            table.put(case, subject.name(), value(row));
            if *measure == Measure::Time {
                table.put(case, format!("{}, mean", subject.name()), time(row.summary.mean));
            }
            let query = Query { measure: *measure, ..Query::time(Workload::Everybody, case, *size) };
            let Some(base) = base.filter(|base| base.subject != subject) else { continue };
            if let Some(before) = base.plain(query) {
                let column = format!("{} / {}", subject.name(), base.subject.name());
                table.put(case, column, ratio(row.summary.p50, before.p50));
            }
        }
    }
    table.text("what")
}

fn values(boot: &Boot) -> String {
    let mut text = format!("# Values: {}\n\n", boot.name);
    text += &section("Microbenchmark, time of a round (saved against memset)", microbench(boot));
    text += &section(
        "Microbenchmark, growth of resident memory at its peak",
        by_way(boot, Workload::Microbench, Measure::PeakRss),
    );
    text += &section("Page faults", faults(boot));
    text += &section("One more mapping", captured(boot));
    text += &section("Scale, time", scale(boot));
    text += &section("Scale, memory and areas", counts(boot));
    text += &section("Real programs under Scudo (ratio to plain memory)", heap(boot));
    for measure in [Measure::Time, Measure::PeakRss, Measure::PageTables] {
        let title = format!("Read first, {}", measure.name());
        text += &section(&title, by_way(boot, Workload::ReadFirst, measure));
    }
    for measure in [
        Measure::Time,
        Measure::Faults,
        Measure::PeakRss,
        Measure::PageTables,
        Measure::LargeFolios,
        Measure::HugeMapped,
    ] {
        text += &section(&format!("Reads, {}", measure.name()), programs(boot, Workload::Reads, measure));
    }
    for measure in [Measure::Time, Measure::PeakRss, Measure::Faults] {
        let title = format!("Large blocks of Scudo with memory tags, {}", measure.name());
        text += &section(&title, programs(boot, Workload::Tags, measure));
    }
    text
}

fn ratios(boot: &Boot) -> String {
    let title = format!("Ratios to the median of plain memory (tenths at both ends): {}", boot.name);
    section(&title, wall::ratios(boot))
}

fn microbench(boot: &Boot) -> String {
    let mut table = Pivot::default();
    for row in boot.of(Workload::Microbench, Measure::Time) {
        for (content, memset) in compared(boot, row) {
            let saved = (1.0 - row.summary.p50 / memset.p50) * 100.0;
            let cell = format!("{} ({saved:.1} %)", time(row.summary.p50));
            let line = format!("{}, {} of 1000, {}", row.key.case, row.key.size, content.name());
            table.put(line, row.key.way.name(), cell);
        }
    }
    table.text("row")
}

/// A line for each program, setting and size; times also relative to plain memory.
fn programs(boot: &Boot, workload: Workload, measure: Measure) -> String {
    let mut table = Pivot::default();
    for row in boot.of(workload, measure) {
        let Key { case, size, way, .. } = &row.key;
        table.put(sized(&row.key), way.name(), value(row));
        let query = Query { measure, ..Query::time(workload, case, *size) };
        let plain = boot.plain(query).filter(|_| measure == Measure::Time && *way != Way::Plain);
        if let Some(plain) = plain {
            table.put(sized(&row.key), format!("{}, ratio", way.name()), ratio(row.summary.p50, plain.p50));
        }
    }
    table.text("program")
}

/// The contents whose lines a row belongs to, with the value of memset there. Plain memory belongs to all of them.
fn compared<'a>(boot: &'a Boot, row: &Row) -> Vec<(Content, &'a Summary)> {
    let Key { workload, ref case, size, measure, way, content } = row.key;
    let query = Query { measure, ..Query::time(workload, case, size) };
    let contents = if way == Way::Plain { Content::PATTERNS.to_vec() } else { vec![content] };
    contents.into_iter().filter_map(|content| Some((content, boot.get(query, Way::Memset, content)?))).collect()
}

/// A line for each case, size and content, a column for each way.
fn by_way(boot: &Boot, workload: Workload, measure: Measure) -> String {
    let mut table = Pivot::default();
    for row in boot.of(workload, measure) {
        for (content, _) in compared(boot, row) {
            table.put(format!("{}, {}", sized(&row.key), content.name()), row.key.way.name(), value(row));
        }
    }
    table.text("row")
}

fn faults(boot: &Boot) -> String {
    let mut table = Pivot::default();
    for row in boot.of(Workload::Fault, Measure::Time) {
        let line = format!("{}, {}, {}", row.key.case, row.key.way.name(), row.key.content.name());
        for (column, value) in percentiles(row) {
            table.put(&line, column, time(value));
        }
        if let Some(plain) = boot.plain(Query::time(Workload::Fault, &row.key.case, 0)) {
            table.put(&line, "median / plain", ratio(row.summary.p50, plain.p50));
            table.put(&line, "mean / plain", ratio(row.summary.mean, plain.mean));
        }
    }
    table.text("access")
}

fn percentiles(row: &Row) -> [(&'static str, f64); 5] {
    let summary = &row.summary;
    [("p50", summary.p50), ("p90", summary.p90), ("p99", summary.p99), ("max", summary.max), ("mean", summary.mean)]
}

fn captured(boot: &Boot) -> String {
    let mut table = Pivot::default();
    for row in boot.of(Workload::Scale, Measure::Time).filter(|row| row.key.size == 0) {
        let line = format!("{}, {}, {}", row.key.case, row.key.way.name(), row.key.content.name());
        table.put(&line, "p50", time(row.summary.p50));
        table.put(&line, "p99", time(row.summary.p99));
        table.put(&line, "mean", time(row.summary.mean));
        let of_plain = boot.plain(Query::time(Workload::Scale, &row.key.case, 0));
        if let Some(plain) = of_plain {
            table.put(&line, "median / plain", ratio(row.summary.p50, plain.p50));
        }
    }
    table.text("call")
}

fn scale(boot: &Boot) -> String {
    let mut table = Pivot::default();
    for row in boot.of(Workload::Scale, Measure::Time).filter(|row| row.key.size > 0) {
        table.put(sized(&row.key), row.key.way.name(), time(row.summary.p50));
    }
    table.text("call (number of pages, mappings or contents)")
}

/// For each kernel memory of one mapping, one content; areas and captured pages of all together.
fn counts(boot: &Boot) -> String {
    let mut table = Pivot::default();
    for measure in [Measure::Kernel, Measure::Captured, Measure::Areas] {
        for row in boot.of(Workload::Scale, measure) {
            table.put(format!("{}, {}", sized(&row.key), measure.name()), row.key.way.name(), value(row));
        }
    }
    table.text("what was added")
}

/// A line for each program and way, a column for each measure; beside time and memory their ratio to plain memory.
fn heap(boot: &Boot) -> String {
    let mut table = Pivot::default();
    for row in boot.rows.iter().filter(|row| row.key.workload == Workload::Heap) {
        let Key { case, size, measure, way, .. } = &row.key;
        let line = format!("{}, {}", sized(&row.key), way.name());
        table.put(&line, measure.name(), value(row));
        let query = Query { measure: *measure, ..Query::time(Workload::Heap, case, *size) };
        let plain = boot.plain(query).filter(|_| matches!(measure, Measure::Time | Measure::PeakRss));
        if let Some(plain) = plain {
            table.put(&line, format!("{}, ratio", measure.name()), ratio(row.summary.p50, plain.p50));
        }
    }
    table.text("program")
}

fn value(row: &Row) -> String {
    match row.key.measure.unit() {
        Unit::Nanoseconds => time(row.summary.p50),
        Unit::Bytes => bytes(row.summary.p50),
        Unit::Count => format!("{:.0}", row.summary.p50),
    }
}

fn missing(results: &Results) -> String {
    let mut text = String::new();
    for boot in &results.boots {
        for missing in &boot.missing {
            let Key { content, measure, .. } = &missing.key;
            let _ = writeln!(
                text,
                "- {}: {}, {}, {}: {}",
                boot.name,
                missing.key,
                content.name(),
                measure.name(),
                missing.why
            );
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::results::tests::{boot, results};
    use super::*;
    use record::Missing;

    #[test]
    fn the_report_has_values_bars_and_what_is_missing() {
        let row = |way, content, value| (Workload::Fault, "first load", 0, way, content, value);
        let mut boot = boot(&[row(Way::Plain, Content::None, 1000.0), row(Way::Refpage, Content::Byte, 1005.0)]);
        let key = Key { way: Way::UffdThread, ..boot.rows[0].key.clone() };
        boot.missing.push(Missing { key, why: "the kernel has no userfaultfd".into() });
        let text = text(&results(vec![boot]), &["a.svg".into()]);
        for wanted in ["| 1.0050 |", "| met |", "no userfaultfd", "![a.svg](a.svg)", "instruction time"] {
            assert!(text.contains(wanted), "{wanted} is not in {text}");
        }
    }

    #[test]
    fn the_microbenchmark_tells_what_is_saved() {
        let row = |way, content, value| (Workload::Microbench, "touch, THP never", 1, way, content, value);
        let boot = boot(&[row(Way::Plain, Content::None, 10.0), row(Way::Memset, Content::Byte, 1000.0)]);
        assert!(microbench(&boot).contains("10.00 ns (99.0 %)"), "{}", microbench(&boot));
    }

    #[test]
    fn kernels_are_compared_with_the_one_without_the_series() {
        let with = |subject, time| Boot {
            subject,
            ..boot(&[(Workload::Everybody, "mmap", 0, Way::Plain, Content::None, time)])
        };
        let text = everybody(&results(vec![with(Subject::Demo, 1010.0), with(Subject::Unpatched, 1000.0)]));
        assert!(text.contains("| 1.0100 |"), "{text}");
    }
}
