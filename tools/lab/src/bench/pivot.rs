//! Turns values into a table of Markdown: a line for each subject, a column for each kind.

use record::Key;
use std::fmt::Write;

/// A table whose lines and columns come in the order in which they are first named.
#[derive(Default)]
pub struct Pivot {
    columns: Vec<String>,
    lines: Vec<(String, Vec<(usize, String)>)>,
}

impl Pivot {
    /// Puts a text into a cell; a text that is there already is kept.
    pub fn put(&mut self, line: impl Into<String>, column: impl Into<String>, text: String) {
        let (line, column) = (line.into(), column.into());
        let column = position(&self.columns, |name| *name == column).unwrap_or_else(|| {
            self.columns.push(column);
            self.columns.len() - 1
        });
        let line = position(&self.lines, |(name, _)| *name == line).unwrap_or_else(|| {
            self.lines.push((line, Vec::new()));
            self.lines.len() - 1
        });
        let cells = &mut self.lines[line].1;
        if cells.iter().all(|(taken, _)| *taken != column) {
            cells.push((column, text));
        }
    }

    /// The table; `corner` heads the first column. Nothing where no cell was filled.
    pub fn text(&self, corner: &str) -> String {
        if self.lines.is_empty() {
            return String::new();
        }
        let mut text = line(std::iter::once(corner).chain(self.columns.iter().map(String::as_str)));
        text += &line(std::iter::once("---").chain(self.columns.iter().map(|_| "---:")));
        for (name, cells) in &self.lines {
            let cell = |column| cells.iter().find(|(at, _)| *at == column).map_or("", |(_, text)| text.as_str());
            text += &line(std::iter::once(name.as_str()).chain((0..self.columns.len()).map(cell)));
        }
        text
    }
}

fn position<T>(list: &[T], is: impl Fn(&T) -> bool) -> Option<usize> {
    list.iter().position(is)
}

fn line<'a>(cells: impl Iterator<Item = &'a str>) -> String {
    let mut text = String::from("|");
    for cell in cells {
        let _ = write!(text, " {cell} |");
    }
    text.push('\n');
    text
}

/// What a value is of, with the number where there is one.
pub fn sized(key: &Key) -> String {
    if key.size > 0 { format!("{} ({})", key.case, key.size) } else { key.case.clone() }
}

/// A time in the unit that suits it.
pub fn time(nanoseconds: f64) -> String {
    let (value, unit) = match nanoseconds {
        ns if ns < 1e4 => (ns, "ns"),
        ns if ns < 1e7 => (ns / 1e3, "µs"),
        ns => (ns / 1e6, "ms"),
    };
    format!("{value:.*} {unit}", if value < 100.0 { 2 } else { 0 })
}

/// A number of bytes in the unit that suits it.
pub fn bytes(count: f64) -> String {
    match count.abs() {
        small if small < 1024.0 => format!("{count:.0} B"),
        middle if middle < 1_048_576.0 => format!("{:.1} KiB", count / 1024.0),
        _ => format!("{:.1} MiB", count / 1_048_576.0),
    }
}

/// How many times as large, to four places.
pub fn ratio(value: f64, base: f64) -> String {
    if base == 0.0 { "-".into() } else { format!("{:.4}", value / base) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_come_in_the_order_of_their_names() {
        let mut table = Pivot::default();
        table.put("b", "x", "1".into());
        table.put("a", "y", "2".into());
        table.put("b", "y", "3".into());
        table.put("b", "y", "4".into());
        assert_eq!(table.text("c"), "| c | x | y |\n| --- | ---: | ---: |\n| b | 1 | 3 |\n| a |  | 2 |\n");
    }

    #[test]
    fn an_empty_table_is_no_text() {
        assert_eq!(Pivot::default().text("c"), "");
    }

    #[test]
    fn values_have_units() {
        assert_eq!(
            [time(0.0), time(2246.0), time(33_676.0), time(2.5e8)],
            ["0.00 ns", "2246 ns", "33.68 µs", "250 ms"]
        );
        assert_eq!([bytes(200.0), bytes(4096.0), bytes(3e6)], ["200 B", "4.0 KiB", "2.9 MiB"]);
        assert_eq!([ratio(1.0, 2.0), ratio(1.0, 0.0)], ["0.5000", "-"]);
    }
}
