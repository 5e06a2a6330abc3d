//! Draws the figures: for each job a group of bars, one a way, in time relative to memset.

use super::measure::Figures;
use super::table::name;
use anyhow::{Result, anyhow};
use plotters::prelude::*;
use std::path::Path;

const WAYS: [(&str, RGBColor); 3] =
    [("memset", RGBColor(150, 150, 150)), ("none", RGBColor(90, 140, 200)), ("refpage", RGBColor(220, 120, 40))];

/// A group of bars: its name, and the heights in the order of [`WAYS`].
type Group = (String, Vec<f64>);

/// Writes the chart as SVG.
pub fn draw(figures: &Figures, path: &Path) -> Result<()> {
    let groups = groups(figures);
    let area = SVGBackend::new(path, (900, 480)).into_drawing_area();
    render(&groups, &area).map_err(|error| anyhow!("{} cannot be drawn: {error}", path.display()))
}

fn render<B: DrawingBackend>(groups: &[Group], area: &DrawingArea<B, plotters::coord::Shift>) -> Result<(), String>
where
    B::ErrorType: 'static,
{
    let told = |error: DrawingAreaErrorKind<B::ErrorType>| error.to_string();
    area.fill(&WHITE).map_err(told)?;
    // Room for the legend above the bars.
    let top = groups.iter().flat_map(|(_, bars)| bars).copied().fold(1.0, f64::max) * 1.3;
    let mut chart = ChartBuilder::on(area)
        .caption("Instruction time, relative to memset", ("sans-serif", 20))
        .margin(16)
        .x_label_area_size(36)
        .y_label_area_size(48)
        .build_cartesian_2d(0.0..groups.len() as f64, 0.0..top)
        .map_err(told)?;
    let label = |x: &f64| groups.get(*x as usize).map(|(name, _)| name.clone()).unwrap_or_default();
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(groups.len() + 1)
        .x_label_formatter(&label)
        .x_label_offset(900 / (2 * groups.len().max(1)) as i32 - 20)
        .draw()
        .map_err(told)?;
    for (index, (way, color)) in WAYS.iter().enumerate() {
        let bars =
            groups.iter().enumerate().filter_map(|(group, (_, bars))| bar(group, index, *bars.get(index)?, *color));
        let series = chart.draw_series(bars).map_err(told)?;
        let color = *color;
        series.label(name(way)).legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 12, y + 5)], color.filled()));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .border_style(BLACK)
        .background_style(WHITE)
        .draw()
        .map_err(told)?;
    area.present().map_err(told)
}

fn bar(group: usize, index: usize, height: f64, color: RGBColor) -> Option<Rectangle<(f64, f64)>> {
    let left = group as f64 + 0.14 + 0.24 * index as f64;
    height.is_finite().then(|| Rectangle::new([(left, 0.0), (left + 0.22, height)], color.filled()))
}

fn groups(figures: &Figures) -> Vec<Group> {
    let heights = |cost: &dyn Fn(&str) -> Option<f64>| -> Vec<f64> {
        let base = cost("memset").unwrap_or(f64::NAN);
        WAYS.iter().map(|(way, _)| cost(way).map_or(f64::NAN, |seconds| seconds / base)).collect()
    };
    let mut groups: Vec<Group> = Vec::new();
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
