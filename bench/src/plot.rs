//! The plots: four pictures that show at a glance what the table has in figures.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use plotters::prelude::*;

use crate::row::Row;

const SIZE: (u32, u32) = (900, 540);
const OURS: RGBColor = RGBColor(0, 90, 181);
const TAIL: RGBColor = RGBColor(120, 170, 225);
const LIMIT: RGBColor = RGBColor(220, 50, 32);
/// Of the parts of a stack, one after the other.
const PARTS: [RGBColor; 7] = [
    RGBColor(0, 90, 181),
    RGBColor(86, 180, 233),
    RGBColor(0, 158, 115),
    RGBColor(240, 228, 66),
    RGBColor(230, 159, 0),
    RGBColor(213, 94, 0),
    RGBColor(204, 121, 167),
];

/// Draws what `rows` have points for into `folder`; the names of the files.
pub(crate) fn draw(rows: &[Row], folder: &Path) -> Result<Vec<String>> {
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    let mut drawn = vec![];
    let mut keep = |name: &str, draw: &dyn Fn(&Path) -> Result<bool>| -> Result<()> {
        let name = format!("{name}.svg");
        if draw(&folder.join(&name)).with_context(|| name.clone())? {
            drawn.push(name);
        }
        Ok(())
    };
    for picture in &PICTURES {
        keep(picture.name, &|path| picture.draw(path, rows))?;
    }
    keep("certificate", &|path| stack(path, rows))?;
    Ok(drawn)
}

const PICTURES: [Picture; 3] = [
    Picture {
        name: "stop",
        title: "Stop → the last of N blocked callers has returned",
        across: "blocked callers",
        up: "µs",
        log: true,
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
        log: true,
        lines: &[
            ("blocked in buffer_get", OURS, "idle", |row| row.value),
            ("polling each 100 µs", LIMIT, "idle", |row| row.reference),
        ],
    },
    Picture {
        name: "sessions",
        title: "Packets sent and received on one core, and lost, with N sessions",
        across: "sessions in each direction",
        up: "thousand packets a second",
        log: false,
        lines: &[
            ("rate", OURS, "sessions", |row| row.value),
            ("lost", PARTS[5], "sessions lost", |row| row.value),
            ("dpdk-testpmd", LIMIT, "sessions", |row| row.reference),
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
    /// Each step upwards is ten times as much.
    log: bool,
    lines: &'static [Line],
}

/// A step to the right is twice as many.
fn right(n: f64) -> f64 {
    n.max(1.0).log2()
}

impl Picture {
    fn up(&self, value: f64) -> f64 {
        if self.log {
            value.max(1e-4).log10()
        } else {
            value
        }
    }

    /// Whether there was something to draw.
    fn draw(&self, path: &Path, rows: &[Row]) -> Result<bool> {
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
        let highest = most(&mut points().map(|point| self.up(point.1)));
        let lowest = points()
            .map(|point| self.up(point.1))
            .fold(f64::MAX, f64::min);
        let upwards = if self.log {
            lowest.floor()..highest.ceil().max(lowest.floor() + 1.0)
        } else {
            0.0..highest * 1.15
        };
        let root = SVGBackend::new(path, SIZE).into_drawing_area();
        root.fill(&WHITE).map_err(bad)?;
        let mut chart = ChartBuilder::on(&root)
            .caption(self.title, ("sans-serif", 22))
            .margin(16)
            .x_label_area_size(44)
            .y_label_area_size(70)
            .build_cartesian_2d(-0.1..widest + 0.1, upwards)
            .map_err(bad)?;
        let log = self.log;
        chart
            .configure_mesh()
            .x_labels(12)
            .x_label_formatter(&|at| label(at.exp2(), *at))
            .y_label_formatter(&|at| {
                if log {
                    label(10f64.powf(*at), *at)
                } else {
                    format!("{at:.0}")
                }
            })
            .x_desc(self.across)
            .y_desc(self.up)
            .label_style(("sans-serif", 14))
            .draw()
            .map_err(bad)?;
        for (name, colour, points) in &lines {
            let style = colour.stroke_width(2);
            let placed: Vec<_> = points
                .iter()
                .map(|point| (right(point.0), self.up(point.1)))
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

/// What the steps from stop to certificate take, one on the other, for each number of callers: rows
/// with the point `("certificate/STEP", callers)`.
fn stack(path: &Path, rows: &[Row]) -> Result<bool> {
    let mut steps: Vec<String> = vec![];
    let mut columns: Vec<f64> = vec![];
    for row in rows {
        let Some((curve, at)) = &row.detail.point else {
            continue;
        };
        let Some(step) = curve.strip_prefix("certificate/") else {
            continue;
        };
        if !steps.iter().any(|known| known == step) {
            steps.push(step.to_owned());
        }
        if !columns.contains(at) {
            columns.push(*at);
        }
    }
    if columns.is_empty() {
        return Ok(false);
    }
    let value = |step: &str, at: f64| {
        let points = curve(rows, &format!("certificate/{step}"), |row| row.value);
        let found = points.iter().find(|point| point.0 == at);
        found.map_or(0.0, |point| point.1)
    };
    let height = |at: f64| steps.iter().map(|step| value(step, at)).sum::<f64>();
    let highest = columns.iter().map(|at| height(*at)).fold(1.0, f64::max);
    let width = f64::from(u32::try_from(columns.len())?);
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE).map_err(bad)?;
    let mut chart = ChartBuilder::on(&root)
        .caption(
            "From stop to certificate, by step (medians)",
            ("sans-serif", 22),
        )
        .margin(16)
        .x_label_area_size(44)
        .y_label_area_size(70)
        .build_cartesian_2d(0.0..width, 0.0..highest * 1.5)
        .map_err(bad)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(2 * columns.len() + 1)
        .x_label_formatter(&|at| {
            let mut middles = columns.iter().zip(0u32..);
            let found = middles.find(|(_, place)| (f64::from(*place) + 0.5 - at).abs() < 0.01);
            found.map_or(String::new(), |(callers, _)| format!("{callers}"))
        })
        .x_desc("blocked callers at the stop")
        .y_desc("µs")
        .label_style(("sans-serif", 14))
        .draw()
        .map_err(bad)?;
    for (index, step) in steps.iter().enumerate() {
        let colour = PARTS[index % PARTS.len()];
        let boxes = columns.iter().zip(0u32..).map(|(at, place)| {
            let below: f64 = steps[..index].iter().map(|step| value(step, *at)).sum();
            let (left, top) = (f64::from(place) + 0.2, below + value(step, *at));
            Rectangle::new([(left, below), (left + 0.6, top)], colour.filled())
        });
        chart
            .draw_series(boxes)
            .map_err(bad)?
            .label(step)
            .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 14, y + 5)], colour.filled()));
    }
    legend(&mut chart)?;
    root.present().map_err(bad)?;
    Ok(true)
}

fn bad<E: std::error::Error>(error: E) -> anyhow::Error {
    anyhow!("drawing: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::Samples;

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
            rows.push(row("sessions", at, 700.0));
            rows.push(row("certificate/gates closed", at, 10.0));
            rows.push(row("certificate/verdict", at, 20.0 + at));
        }
        let drawn = draw(&rows, folder.path()).unwrap();
        assert_eq!(
            drawn,
            ["stop.svg", "idle.svg", "sessions.svg", "certificate.svg"]
        );
        for name in drawn {
            let text = fs::read_to_string(folder.path().join(name)).unwrap();
            assert!(text.contains("</svg>") && text.contains("1024"), "{text}");
        }
    }

    #[test]
    fn plots_of_rows_without_points_then_none() {
        let folder = tempfile::tempdir().unwrap();
        let rows = [Row::absent("P17", "not built")];
        assert!(draw(&rows, folder.path()).unwrap().is_empty());
    }
}
