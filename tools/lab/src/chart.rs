//! Charts as SVG: groups of bars, and lines over logarithmic axes.

use anyhow::{Context, Result};
use plotters::coord::Shift;
use plotters::prelude::*;
use std::path::Path;

const SIZE: (u32, u32) = (960, 480);
const COLORS: [RGBColor; 7] = [
    RGBColor(150, 150, 150),
    RGBColor(90, 140, 200),
    RGBColor(220, 120, 40),
    RGBColor(80, 160, 90),
    RGBColor(170, 90, 160),
    RGBColor(190, 170, 60),
    RGBColor(60, 60, 60),
];

/// Groups of bars, each group with one bar of each series.
pub struct Bars {
    /// What is shown.
    pub title: String,
    /// Names of the series.
    pub series: Vec<String>,
    /// Names of the groups, and the heights in the order of the series. What is not finite has no bar.
    pub groups: Vec<(String, Vec<f64>)>,
}

/// Lines of positive numbers over positive numbers.
pub struct Lines {
    /// What is shown.
    pub title: String,
    /// What runs along the axes.
    pub axes: (String, String),
    /// Names of the lines, and their points.
    pub lines: Vec<(String, Vec<(f64, f64)>)>,
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Writes what is rendered on white.
fn write(path: &Path, render: impl FnOnce(&Area) -> Result<()>) -> Result<()> {
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    let draw = || -> Result<()> {
        area.fill(&WHITE)?;
        render(&area)?;
        Ok(area.present()?)
    };
    draw().with_context(|| format!("{} cannot be drawn", path.display()))
}

impl Bars {
    /// Writes the chart.
    pub fn draw(&self, path: &Path) -> Result<()> {
        write(path, |area| self.render(area))
    }

    fn render(&self, area: &Area) -> Result<()> {
        let count = self.groups.len();
        let heights = self.groups.iter().flat_map(|(_, bars)| bars).copied().filter(|height| height.is_finite());
        // Room for the legend above the bars, a line for each series.
        let top = heights.fold(1.0, f64::max) * (1.15 + 0.06 * self.series.len() as f64);
        let mut chart = ChartBuilder::on(area)
            .caption(&self.title, ("sans-serif", 20))
            .margin(16)
            .x_label_area_size(36)
            .y_label_area_size(48)
            .build_cartesian_2d(0.0..count as f64, 0.0..top)?;
        let label = |x: &f64| self.groups.get(*x as usize).map(|(name, _)| name.clone()).unwrap_or_default();
        chart
            .configure_mesh()
            .disable_x_mesh()
            .x_labels(count + 1)
            .x_label_formatter(&label)
            .x_label_offset(SIZE.0 as i32 / (2 * count.max(1)) as i32 - 20)
            .draw()?;
        for (index, name) in self.series.iter().enumerate() {
            let color = COLORS[index % COLORS.len()];
            let bars = (0..count).filter_map(|group| self.bar(group, index, color));
            let series = chart.draw_series(bars)?;
            series.label(name).legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 12, y + 5)], color.filled()));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperRight)
            .border_style(BLACK)
            .background_style(WHITE)
            .draw()?;
        Ok(())
    }

    fn bar(&self, group: usize, index: usize, color: RGBColor) -> Option<Rectangle<(f64, f64)>> {
        let height = *self.groups[group].1.get(index)?;
        let width = 0.72 / self.series.len() as f64;
        let left = group as f64 + 0.14 + width * index as f64;
        height.is_finite().then(|| Rectangle::new([(left, 0.0), (left + width * 0.92, height)], color.filled()))
    }
}

impl Lines {
    /// Writes the chart.
    pub fn draw(&self, path: &Path) -> Result<()> {
        write(path, |area| self.render(area))
    }

    fn render(&self, area: &Area) -> Result<()> {
        let mut chart = ChartBuilder::on(area)
            .caption(&self.title, ("sans-serif", 20))
            .margin(16)
            .x_label_area_size(44)
            .y_label_area_size(72)
            .build_cartesian_2d(self.range(|point| point.0).log_scale(), self.range(|point| point.1).log_scale())?;
        chart.configure_mesh().x_desc(&self.axes.0).y_desc(&self.axes.1).draw()?;
        for (index, (name, points)) in self.lines.iter().enumerate() {
            let color = COLORS[index % COLORS.len()];
            let line = LineSeries::new(points.iter().copied(), color.stroke_width(2)).point_size(3);
            let series = chart.draw_series(line)?;
            series.label(name).legend(move |(x, y)| Rectangle::new([(x, y - 2), (x + 12, y + 2)], color.filled()));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .border_style(BLACK)
            .background_style(WHITE)
            .draw()?;
        Ok(())
    }

    /// From the least to twice the greatest.
    fn range(&self, of: impl Fn(&(f64, f64)) -> f64) -> std::ops::Range<f64> {
        let values = self.lines.iter().flat_map(|(_, points)| points).map(of);
        let (least, greatest) = values
            .fold((f64::MAX, 1.0), |(least, greatest), value| (f64::min(least, value), f64::max(greatest, value)));
        f64::min(least, greatest)..greatest * 2.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(draw: impl Fn(&Path) -> Result<()>) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chart.svg");
        draw(&path).unwrap();
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn bars_have_their_names() {
        let groups = vec![("half".to_owned(), vec![1.0, 0.5]), ("all".to_owned(), vec![1.0, f64::NAN])];
        let series = vec!["memset".to_owned(), "plain".to_owned()];
        let text =
            drawn(|path| Bars { title: "Time".into(), series: series.clone(), groups: groups.clone() }.draw(path));
        for name in ["Time", "memset", "plain", "half", "all"] {
            assert!(text.contains(name), "{name} is not in {text}");
        }
    }

    #[test]
    fn lines_have_their_names() {
        let lines = vec![("plain".to_owned(), vec![(1.0, 10.0), (1000.0, 20.0)])];
        let axes = ("mappings".to_owned(), "ns".to_owned());
        let text = drawn(|path| Lines { title: "mmap".into(), axes: axes.clone(), lines: lines.clone() }.draw(path));
        assert!(text.contains("mappings") && text.contains("plain"), "{text}");
    }

    #[test]
    fn a_range_holds_all_points() {
        let lines = vec![("a".to_owned(), vec![(2.0, 5.0), (8.0, 7.0)])];
        let chart = Lines { title: String::new(), axes: Default::default(), lines };
        assert_eq!(chart.range(|point| point.0), 2.0..16.0);
        assert_eq!(chart.range(|point| point.1), 5.0..14.0);
    }
}
