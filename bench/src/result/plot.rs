//! The plots: what a table of figures does not show at a glance.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use plotters::prelude::*;

use crate::result::row::Row;

const SIZE: (u32, u32) = (900, 540);
const OURS: RGBColor = RGBColor(0, 90, 181);
const TAIL: RGBColor = RGBColor(120, 170, 225);
const LIMIT: RGBColor = RGBColor(220, 50, 32);
/// Draws what `rows` have points for into `folder`, with the `stamp` of their run; the names of the files.
pub(crate) fn draw(rows: &[Row], stamp: &str, folder: &Path) -> Result<Vec<String>> {
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    let mut drawn = vec![];
    for picture in &PICTURES {
        let name = format!("{}.svg", picture.name);
        let path = folder.join(&name);
        if picture
            .draw(&path, rows, stamp)
            .with_context(|| name.clone())?
        {
            drawn.push(name);
        }
    }
    Ok(drawn)
}

const PICTURES: [Picture; 2] = [
    Picture {
        name: "stop",
        title: "Stop → the last of N blocked callers has returned",
        across: "blocked callers",
        up: "µs",
        lines: &[
            ("p99", TAIL, "stop", |row| row.p99),
            ("p50", OURS, "stop", |row| row.p50),
            (
                "limit: one FUTEX_WAKE of N threads, p50",
                LIMIT,
                "stop",
                |row| row.reference,
            ),
        ],
    },
    Picture {
        name: "idle",
        title: "Processor that N blocked callers use, all together",
        across: "callers",
        up: "% of a core",
        lines: &[
            ("blocked in buffer_get", OURS, "idle", |row| row.value),
            ("polling each 100 µs", LIMIT, "idle", |row| row.reference),
        ],
    },
];

/// The points of one curve, from left to right.
fn curve(rows: &[Row], name: &str, figure: impl Fn(&Row) -> Option<f64>) -> Vec<(f64, f64)> {
    let points = rows.iter().filter_map(|row| match &row.detail.point {
        Some((curve, at)) if curve == name => Some((*at, figure(row)?)),
        _ => None,
    });
    let mut points: Vec<_> = points.collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    points
}

/// Legend, colour, name of the curve, and the figure that it shows.
type Line = (
    &'static str,
    RGBColor,
    &'static str,
    fn(&Row) -> Option<f64>,
);

struct Picture {
    /// Of its file.
    name: &'static str,
    title: &'static str,
    across: &'static str,
    up: &'static str,
    lines: &'static [Line],
}

/// A step to the right is twice as many.
fn right(n: f64) -> f64 {
    n.max(1.0).log2()
}

/// A step upwards is ten times as much.
fn up(value: f64) -> f64 {
    value.max(1e-4).log10()
}

impl Picture {
    /// Whether there was something to draw.
    fn draw(&self, path: &Path, rows: &[Row], stamp: &str) -> Result<bool> {
        let lines = self.lines.iter();
        let lines =
            lines.map(|&(name, colour, of, figure)| (name, colour, curve(rows, of, figure)));
        let lines: Vec<_> = lines.collect();
        let points = || lines.iter().flat_map(|(_, _, points)| points);
        if points().count() == 0 {
            return Ok(false);
        }
        let most = |values: &mut dyn Iterator<Item = f64>| values.fold(f64::MIN, f64::max);
        let widest = most(&mut points().map(|point| right(point.0))).max(1.0);
        let highest = most(&mut points().map(|point| up(point.1)));
        let lowest = points().map(|point| up(point.1)).fold(f64::MAX, f64::min);
        let upwards = lowest.floor()..highest.ceil().max(lowest.floor() + 1.0);
        let root = SVGBackend::new(path, SIZE).into_drawing_area();
        root.fill(&WHITE).map_err(bad)?;
        let mut chart = ChartBuilder::on(&root)
            .caption(self.title, ("sans-serif", 22))
            .margin(16)
            .x_label_area_size(44)
            .y_label_area_size(70)
            .build_cartesian_2d(-0.1..widest + 0.1, upwards)
            .map_err(bad)?;
        chart
            .configure_mesh()
            .x_labels(12)
            .x_label_formatter(&|at| label(at.exp2(), *at))
            .y_label_formatter(&|at| label(10f64.powf(*at), *at))
            .x_desc(format!("{} ({stamp})", self.across))
            .y_desc(self.up)
            .label_style(("sans-serif", 14))
            .draw()
            .map_err(bad)?;
        for (name, colour, points) in &lines {
            let style = colour.stroke_width(2);
            let placed: Vec<_> = points
                .iter()
                .map(|point| (right(point.0), up(point.1)))
                .collect();
            chart
                .draw_series(LineSeries::new(placed.iter().copied(), style))
                .map_err(bad)?
                .label(*name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
            let dots = placed.iter().map(|at| Circle::new(*at, 3, colour.filled()));
            chart.draw_series(dots).map_err(bad)?;
        }
        legend(&mut chart)?;
        root.present().map_err(bad)?;
        Ok(true)
    }
}

/// The number of a place that is a whole step; nothing between.
fn label(number: f64, place: f64) -> String {
    if (place - place.round()).abs() > 0.01 {
        return String::new();
    }
    if number >= 1.0 {
        format!("{number:.0}")
    } else {
        format!("{number}")
    }
}

type Chart<'a> = ChartContext<
    'a,
    SVGBackend<'a>,
    Cartesian2d<plotters::coord::types::RangedCoordf64, plotters::coord::types::RangedCoordf64>,
>;

fn legend(chart: &mut Chart<'_>) -> Result<()> {
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.3))
        .label_font(("sans-serif", 14))
        .draw()
        .map_err(bad)
}

fn bad<E: std::error::Error>(error: E) -> anyhow::Error {
    anyhow!("drawing: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::samples::Samples;

    fn row(curve: &str, at: f64, value: f64) -> Row {
        let ours: Samples = [value].into_iter().collect();
        Row::of("P1", format!("N = {at}"), "µs", &ours)
            .limit("limit", value / 2.0)
            .point(curve, at)
    }

    #[test]
    fn plots_of_rows_with_points_then_one_svg_for_each_picture() {
        let folder = tempfile::tempdir().unwrap();
        let mut rows = vec![];
        for at in [1.0, 64.0, 1024.0] {
            rows.push(row("stop", at, 3.0 * at));
            rows.push(row("idle", at, 0.001 * at));
        }
        let drawn = draw(&rows, "2026-11-25", folder.path()).unwrap();
        assert_eq!(drawn, ["stop.svg", "idle.svg"]);
        for name in drawn {
            let text = fs::read_to_string(folder.path().join(name)).unwrap();
            for part in ["</svg>", "1024", "(2026-11-25)"] {
                assert!(text.contains(part), "{part} in {text}");
            }
        }
    }

    #[test]
    fn plots_of_rows_without_points_then_none() {
        let folder = tempfile::tempdir().unwrap();
        let rows = [Row::absent("P17", "not built")];
        assert!(draw(&rows, "2026-11-25", folder.path()).unwrap().is_empty());
    }
}
