//! The figures that the programs of the demonstration print, a line of JSON each.

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// One line.
#[derive(Deserialize)]
#[serde(tag = "bench", rename_all = "lowercase")]
enum Line {
    Machine(Machine),
    Microbench(Row),
    Pdfbench(Pdf),
}

/// The guest.
#[derive(Deserialize)]
pub struct Machine {
    /// Version of the kernel.
    pub kernel: String,
    /// State of transparent huge pages.
    pub thp: String,
}

/// What something cost.
#[derive(Clone, Deserialize)]
pub struct Cost {
    /// How fresh memory was made: `memset`, `none` or `refpage`.
    pub way: String,
    /// Processor time, which leaves out what else the guest did.
    pub cpu_seconds: f64,
    /// Page faults.
    pub minor_faults: i64,
    /// Resident memory at the start.
    pub start_rss_kib: u64,
    /// The peak of resident memory since.
    pub peak_rss_kib: u64,
    /// Fresh memory held what it must.
    pub fresh_memory_holds: bool,
}

impl Cost {
    /// Memory at the peak, beyond that at the start.
    pub fn grown_kib(&self) -> u64 {
        self.peak_rss_kib.saturating_sub(self.start_rss_kib)
    }
}

/// One measurement of the microbenchmark.
#[derive(Clone, Deserialize)]
pub struct Row {
    /// Bytes of a mapping.
    pub map_bytes: u64,
    /// Bytes of it that were touched.
    pub touch_bytes: u64,
    /// What it cost.
    #[serde(flatten)]
    pub cost: Cost,
}

/// One rendering of the PDF.
#[derive(Clone, Deserialize)]
pub struct Pdf {
    /// Pages rendered.
    pub pages: u64,
    /// Hash of their pixels.
    pub hash: serde_json::Value,
    /// What it cost.
    #[serde(flatten)]
    pub cost: Cost,
}

/// All figures of one run.
pub struct Figures {
    /// The guest.
    pub machine: Machine,
    /// The microbenchmark, by touched bytes: for each, one row a way.
    pub rows: Vec<Row>,
    /// The PDF, one a way.
    pub pdfs: Vec<Pdf>,
}

impl Figures {
    /// Reads the lines; all must be there.
    pub fn parse(lines: &[String]) -> Result<Self> {
        let mut machine = None;
        let (mut rows, mut pdfs) = (Vec::new(), Vec::new());
        for line in lines {
            match serde_json::from_str(line).with_context(|| format!("no figure: {line}"))? {
                Line::Machine(found) => machine = Some(found),
                Line::Microbench(row) => rows.push(row),
                Line::Pdfbench(pdf) => pdfs.push(pdf),
            }
        }
        let machine = machine.context("the guest said nothing of itself")?;
        if rows.is_empty() || pdfs.is_empty() {
            bail!("the demonstration measured nothing: run it again with `make run` to see why");
        }
        Ok(Self { machine, rows, pdfs })
    }

    /// Refuses figures of a run that did not do what it claims.
    pub fn check(&self) -> Result<()> {
        let costs = self.rows.iter().map(|row| &row.cost).chain(self.pdfs.iter().map(|pdf| &pdf.cost));
        if let Some(cost) = costs.into_iter().find(|cost| !cost.fresh_memory_holds) {
            bail!("fresh memory did not hold what it must with `{}`: the figures are void", cost.way);
        }
        if self.pdfs.iter().any(|pdf| pdf.hash != self.pdfs[0].hash) {
            bail!("the pages were not rendered alike in all ways: the figures are void");
        }
        Ok(())
    }

    /// The cost of the same work done in another way.
    pub fn row(&self, touch: u64, way: &str) -> Option<&Cost> {
        let mut rows = self.rows.iter();
        rows.find(|row| row.touch_bytes == touch && row.cost.way == way).map(|row| &row.cost)
    }

    /// The cost of the PDF in one way.
    pub fn pdf(&self, way: &str) -> Option<&Cost> {
        self.pdfs.iter().map(|pdf| &pdf.cost).find(|cost| cost.way == way)
    }

    /// The numbers of touched bytes, each once, in order.
    pub fn touches(&self) -> Vec<u64> {
        let mut touches: Vec<u64> = self.rows.iter().map(|row| row.touch_bytes).collect();
        touches.dedup();
        touches
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    fn cost(way: &str, seconds: f64, peak: u64) -> String {
        format!(
            "\"way\":\"{way}\",\"cpu_seconds\":{seconds},\"minor_faults\":1,\"start_rss_kib\":1000,\
             \"peak_rss_kib\":{peak},\"fresh_memory_holds\":true"
        )
    }

    /// A run as the programs print it.
    pub fn lines() -> Vec<String> {
        let mut lines = vec!["{\"bench\":\"machine\",\"kernel\":\"7.3.4\",\"thp\":\"never\"}".to_owned()];
        for (way, seconds, peak) in [("memset", 2.0, 5000), ("none", 1.0, 3000), ("refpage", 1.01, 3000)] {
            let cost = cost(way, seconds, peak);
            lines.push(format!("{{\"bench\":\"microbench\",\"map_bytes\":4194304,\"touch_bytes\":4096,{cost}}}"));
            lines.push(format!("{{\"bench\":\"pdfbench\",\"pages\":100,\"hash\":\"ab\",{cost}}}"));
        }
        lines
    }

    #[test]
    fn reads_all_lines() {
        let figures = Figures::parse(&lines()).unwrap();
        assert_eq!((figures.rows.len(), figures.pdfs.len()), (3, 3));
        assert_eq!(figures.row(4096, "none").unwrap().grown_kib(), 2000);
        assert_eq!(figures.touches(), [4096]);
        figures.check().unwrap();
    }

    #[test]
    fn a_run_without_figures_is_refused() {
        assert!(Figures::parse(&lines()[..1]).is_err());
        assert!(Figures::parse(&["{oops".to_owned()]).is_err());
    }

    #[test]
    fn wrong_memory_or_pixels_void_the_figures() {
        let mut wrong = lines();
        wrong[1] = wrong[1].replace("true", "false");
        assert!(Figures::parse(&wrong).unwrap().check().is_err());
        let mut wrong = lines();
        wrong[2] = wrong[2].replace("ab", "cd");
        assert!(Figures::parse(&wrong).unwrap().check().is_err());
    }
}
