//! Values in wall time: of the guest's processor as ratios within one boot, and of the host's own processor.

use super::pivot::{Pivot, sized, time};
use super::results::{Boot, Query};
use record::{Content, Fault, Key, Measure, Row, Summary, Way, Workload, Written};

/// Each way relative to the median of plain memory, with the tenths at both ends. Whatever else ran on the machine is in
/// these.
pub fn ratios(boot: &Boot) -> String {
    let mut table = Pivot::default();
    for row in boot.rows.iter().filter(|row| row.key.measure == Measure::Time) {
        let Key { workload, case, size, way, content, .. } = &row.key;
        let plain = boot.plain(Query::time(*workload, case, *size)).filter(|_| *way != Way::Plain);
        let Some(plain) = plain else { continue };
        let line = format!("{}: {}, {}", workload.name(), sized(&row.key), content.name());
        table.put(&line, Way::Plain.name(), spread(plain, plain));
        table.put(&line, way.name(), spread(&row.summary, plain));
    }
    table.text("row")
}

fn spread(summary: &Summary, plain: &Summary) -> String {
    let [low, median, high] = [summary.p10, summary.p50, summary.p90].map(|value| value / plain.p50);
    format!("{median:.2} ({low:.2} to {high:.2})")
}

/// What the host's processor takes for the content of a page.
pub fn processor(rows: &[Row]) -> String {
    let mut table = Pivot::default();
    for Row { key, summary } in rows {
        let column = if key.content == Content::None { "zeros" } else { key.content.name() };
        let [low, median, high] = [summary.p10, summary.p50, summary.p90].map(time);
        table.put(&key.case, column, format!("{median} ({low} to {high})"));
    }
    table.text("what is written")
}

/// By how much the stores of another content than zeros make a first store dearer on the host's processor: the worse of a page
/// that is cached and of one that is not, relative to the host's own page fault. What a kernel does beside the stores is not
/// in it.
pub fn first_store(rows: &[Row], content: Content) -> Option<(f64, &str)> {
    let find = |case: &str, content: Content| {
        let row = rows.iter().find(|row| row.key.case == case && row.key.content == content);
        row.map(|row| row.summary.p50)
    };
    let fault = find(Fault::FirstStore.name(), Content::None)?;
    let written = rows.iter().filter(|row| row.key.workload == Workload::Processor && row.key.content == content);
    written
        .filter_map(|row| {
            // Where the source is not cached, the page is not either.
            let case = if row.key.case == Written::ColdSource.name() { Written::Cold.name() } else { &row.key.case };
            let zeros = find(case, Content::None)?;
            Some((1.0 + (row.summary.p50 - zeros) / fault, row.key.case.as_str()))
        })
        .max_by(|a, b| a.0.total_cmp(&b.0))
}

#[cfg(test)]
pub mod tests {
    use super::super::results::tests::boot;
    use super::*;

    /// What a processor takes on which pages of `content` take that much longer, of a page fault of 1000.
    pub fn rows(content: Content, longer: f64) -> Vec<Row> {
        let row = |case, way, content, value| (Workload::Processor, case, 0, way, content, value);
        boot(&[
            row(Written::Cached.name(), Way::Plain, Content::None, 50.0),
            row(Written::Cached.name(), Way::Refpage, content, 50.0 + longer),
            row(Written::Cold.name(), Way::Plain, Content::None, 400.0),
            row(Written::ColdSource.name(), Way::Refpage, content, 400.0 + longer / 2.0),
            row(Fault::FirstStore.name(), Way::Plain, Content::None, 1000.0),
        ])
        .rows
    }

    #[test]
    fn a_content_makes_the_fault_of_the_host_dearer() {
        let rows = rows(Content::Page, 20.0);
        let (ratio, case) = first_store(&rows, Content::Page).unwrap();
        assert!((ratio - 1.02).abs() < 1e-9 && case == Written::Cached.name(), "{ratio} {case}");
        assert!(first_store(&rows, Content::Byte).is_none());
        assert!(processor(&rows).contains("70.00 ns (70.00 ns to 70.00 ns)"), "{}", processor(&rows));
    }

    #[test]
    fn ways_are_relative_to_plain_memory() {
        let row = |way, content, value| (Workload::Scale, "mmap", 7, way, content, value);
        let boot = boot(&[row(Way::Plain, Content::None, 10.0), row(Way::Refpage, Content::Byte, 15.0)]);
        let text = ratios(&boot);
        assert!(text.contains("| scale: mmap (7), 0xAA | 1.00 (1.00 to 1.00) | 1.50 (1.50 to 1.50) |"), "{text}");
    }
}
