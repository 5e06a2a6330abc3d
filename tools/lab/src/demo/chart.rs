//! Draws the figures: for each job a group of bars, one a way, in time relative to memset.

use super::measure::Figures;
use super::table::name;
use crate::chart::Bars;
use anyhow::Result;
use std::path::Path;

const WAYS: [&str; 3] = ["memset", "none", "refpage"];

/// Writes the chart as SVG.
pub fn draw(figures: &Figures, path: &Path) -> Result<()> {
    let title = "Instruction time, relative to memset".into();
    Bars { title, series: WAYS.map(name).into(), groups: groups(figures) }.draw(path)
}

/// For each job its name, and the heights in the order of [`WAYS`].
fn groups(figures: &Figures) -> Vec<(String, Vec<f64>)> {
    let heights = |cost: &dyn Fn(&str) -> Option<f64>| -> Vec<f64> {
        let base = cost("memset").unwrap_or(f64::NAN);
        WAYS.iter().map(|way| cost(way).map_or(f64::NAN, |seconds| seconds / base)).collect()
    };
    let mut groups = Vec::new();
    for touch in figures.touches() {
        let bars = heights(&|way| figures.row(touch, way).map(|cost| cost.cpu_seconds));
        groups.push((format!("{} KiB touched", touch / 1024), bars));
    }
    groups.push(("PDF".into(), heights(&|way| figures.pdf(way).map(|cost| cost.cpu_seconds))));
    groups
}

#[cfg(test)]
mod tests {
    use super::super::measure::tests::lines;
    use super::*;

    #[test]
    fn bars_are_relative_to_memset() {
        let groups = groups(&Figures::parse(&lines()).unwrap());
        assert_eq!(groups.len(), 2);
        assert_eq!(groups[0].1, [1.0, 0.5, 0.505]);
    }

    #[test]
    fn draws_every_way() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chart.svg");
        draw(&Figures::parse(&lines()).unwrap(), &path).unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.contains("MAP_REFPAGE") && text.contains("PDF"), "{text}");
    }
}
