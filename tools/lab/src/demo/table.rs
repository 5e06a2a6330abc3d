//! The table at the end of the demonstration.

use super::measure::{Cost, Figures};
use std::fmt::Write;

/// The whole text.
pub fn text(figures: &Figures) -> String {
    let mut text = format!(
        "Linux {}, transparent huge pages: {}, instruction time of the processor under emulation\n\n",
        figures.machine.kernel, figures.machine.thp
    );
    text += &microbench(figures);
    text.push('\n');
    text += &pdf(figures);
    text
}

fn microbench(figures: &Figures) -> String {
    let mut rows = vec![words("touched|memory from|time|saved|peak memory|saved|faults|content")];
    for row in &figures.rows {
        let base = figures.row(row.touch_bytes, "memset");
        rows.push(vec![
            format!("{} of {}", size(row.touch_bytes), size(row.map_bytes)),
            name(&row.cost.way),
            time(&row.cost),
            base.map(|base| saved(row.cost.cpu_seconds, base.cpu_seconds)).unwrap_or_default(),
            size(row.cost.grown_kib() * 1024),
            base.map(|base| saved(row.cost.grown_kib() as f64, base.grown_kib() as f64)).unwrap_or_default(),
            row.cost.minor_faults.to_string(),
            content(&row.cost),
        ]);
    }
    format!("mmap, touch, munmap (saved: against memset)\n{}", aligned(&rows))
}

fn pdf(figures: &Figures) -> String {
    let mut rows = vec![words("memory from|time|ratio|peak memory|ratio|faults|content")];
    let base = figures.pdf("none");
    for pdf in &figures.pdfs {
        let cost = &pdf.cost;
        rows.push(vec![
            name(&cost.way),
            time(cost),
            base.map(|base| ratio(cost.cpu_seconds, base.cpu_seconds)).unwrap_or_default(),
            size(cost.peak_rss_kib * 1024),
            base.map(|base| ratio(cost.peak_rss_kib as f64, base.peak_rss_kib as f64)).unwrap_or_default(),
            cost.minor_faults.to_string(),
            content(cost),
        ]);
    }
    let pages = figures.pdfs.first().map_or(0, |pdf| pdf.pages);
    format!("{pages} pages of a PDF (ratio: to plain memory without a pattern)\n{}", aligned(&rows))
}

fn words(line: &str) -> Vec<String> {
    line.split('|').map(str::to_owned).collect()
}

/// The ways as a reader knows them.
pub fn name(way: &str) -> String {
    match way {
        "none" => "plain".into(),
        "refpage" => "MAP_REFPAGE".into(),
        other => other.into(),
    }
}

fn time(cost: &Cost) -> String {
    format!("{:.3} s", cost.cpu_seconds)
}

fn saved(value: f64, base: f64) -> String {
    if base == 0.0 { "-".into() } else { format!("{:.1} %", (1.0 - value / base) * 100.0) }
}

fn ratio(value: f64, base: f64) -> String {
    if base == 0.0 { "-".into() } else { format!("{:.4}", value / base) }
}

fn content(cost: &Cost) -> String {
    let what = if cost.way == "none" { "zeros" } else { "pattern" };
    if cost.fresh_memory_holds { what.into() } else { "WRONG".into() }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{} KiB", bytes / 1024),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}

fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(String::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:>width$}")).collect();
        let _ = writeln!(text, "  {}", cells.join("  "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::measure::tests::lines;
    use super::*;

    #[test]
    fn the_table_tells_what_was_saved() {
        let text = text(&Figures::parse(&lines()).unwrap());
        let row = |way: &str| text.lines().find(|line| line.contains(way)).unwrap().to_owned();
        assert!(row("MAP_REFPAGE").contains("49.5 %") && row("MAP_REFPAGE").contains("pattern"), "{text}");
        assert!(row("plain  ").contains("zeros"), "{text}");
        assert!(text.contains("1.0100"), "{text}");
    }

    #[test]
    fn sizes_are_short() {
        assert_eq!([size(100), size(4096), size(4_194_304)], ["100 B", "4 KiB", "4.0 MiB"]);
    }
}
