//! A histogram. Its counts are drawn by their logarithms: a level of one packet in a million is what matters.

use maud::{Markup, html};

use super::scale::{float, lines};
use super::{BASE, LEFT, RIGHT, TOP, WIDTH, area, below, grid, n};
use crate::document::analysis::{self as document, Intervals};
use crate::render::analysis::time;

/// Most columns; neighbours share one.
const MAX_COLUMNS: i64 = 64;
/// Where a count of 0 would be, so that one packet is seen.
const NO_PACKETS: f64 = 0.6;
/// Columns in each power of two of a time.
const PARTS: f64 = 8.0;

/// Columns, which may be empty.
#[derive(Debug)]
pub(in crate::html) struct Histogram {
    columns: Vec<Column>,
    /// A place, in columns, and its label.
    labels: Vec<(f64, String)>,
    /// A place, in columns, and what ends there.
    limits: Vec<(f64, String)>,
}

#[derive(Debug, Clone, Default)]
struct Column {
    label: String,
    packets: u64,
}

/// Of the levels of a model, with `limits`: one that is far away is left to the text.
pub(in crate::html) fn of_levels(of: &document::Histogram, limits: &[(&str, u64)]) -> Histogram {
    let levels = of.histogram.iter().map(|it| it.level);
    let (low, high) = (levels.clone().min(), levels.max());
    let (low, mut high) = (low.unwrap_or(0).min(0), high.unwrap_or(0));
    let mut drawn = Vec::new();
    for (name, limit) in limits {
        let limit = i64::try_from(*limit).unwrap_or(i64::MAX);
        if limit <= (high - low).max(10).saturating_mul(2) {
            high = high.max(limit);
            drawn.push((limit, *name));
        }
    }
    let step = (high - low + 1).max(1).unsigned_abs();
    let step = i64::try_from(step.div_ceil(MAX_COLUMNS.unsigned_abs())).unwrap_or(i64::MAX);
    let column = |level: i64| (level - low) / step;
    let label = |column: i64| {
        let first = low + column * step;
        match step {
            1 => first.to_string(),
            _ => format!("{first} to {}", first + step - 1),
        }
    };
    let mut columns: Vec<_> = (0..=column(high))
        .map(|it| Column {
            label: label(it),
            packets: 0,
        })
        .collect();
    for level in &of.histogram {
        let place = usize::try_from(column(level.level)).unwrap_or(0);
        if let Some(column) = columns.get_mut(place) {
            column.packets += level.packets;
        }
    }
    let middle = if step == 1 { 0.5 } else { 0.0 };
    let place = |level: f64| (level - float(low)) / float(step);
    let labels = lines(float(low), float(high)).into_iter();
    let labels = labels.filter(|it| it.fract() == 0.0);
    Histogram {
        columns,
        labels: labels
            .map(|it| (place(it) + middle, it.to_string()))
            .collect(),
        // Packets at the limit comply: the line is behind it.
        limits: drawn
            .into_iter()
            .map(|(limit, name)| (place(float(limit) + 1.0), format!("{name} {limit}")))
            .collect(),
    }
}

/// Of times between packets: each power of two has eight columns, or fewer.
pub(in crate::html) fn of_intervals(of: &Intervals) -> Histogram {
    // 0 and 1 ns share a column.
    let power = |ns: u64| float(i64::try_from(ns.max(1)).unwrap_or(i64::MAX)).log2();
    let powers = of.histogram.iter().map(|it| power(it.from_ns));
    let low = powers.clone().fold(f64::INFINITY, f64::min).floor();
    // An octave more at either end: what has only one distance is in the middle.
    let low = if low.is_finite() {
        (low - 1.0).max(0.0)
    } else {
        0.0
    };
    let high = powers.fold(low, f64::max).floor() + 2.0;
    let mut parts = PARTS;
    while (high - low) * parts > float(MAX_COLUMNS) && parts > 1.0 {
        parts /= 2.0;
    }
    #[expect(clippy::cast_possible_truncation, reason = "at most 66 powers")]
    #[expect(clippy::cast_sign_loss, reason = "not below the lowest")]
    let place = |power: f64| ((power - low) * parts) as usize;
    let mut columns = vec![Column::default(); place(high)];
    for bucket in &of.histogram {
        let column = &mut columns[place(power(bucket.from_ns))];
        if column.packets == 0 {
            let from = i64::try_from(bucket.from_ns).unwrap_or(i64::MAX);
            column.label = format!("from {}", time(from));
        }
        column.packets += bucket.packets;
    }
    let decades = (0..20).map(|it| 10f64.powi(it));
    let steps: &[f64] = if high - low > 7.0 {
        &[1.0]
    } else {
        &[1.0, 2.0, 5.0]
    };
    let labels = decades.flat_map(|decade| steps.iter().map(move |it| it * decade));
    let labels = labels.filter(|it| (low..high).contains(&it.log2()));
    Histogram {
        labels: labels
            .map(|it| ((it.log2() - low) * parts, super::Unit::Nanos.label(it)))
            .collect(),
        columns,
        limits: Vec::new(),
    }
}

impl Histogram {
    /// The picture.
    pub(in crate::html) fn draw(&self) -> Markup {
        let most = self.columns.iter().map(|it| it.packets).max().unwrap_or(0);
        let count = |it: u64| float(i64::try_from(it).unwrap_or(i64::MAX));
        let share =
            |packets: f64| (packets / NO_PACKETS).ln() / (count(most.max(1)) / NO_PACKETS).ln();
        let y = |packets: f64| BASE - share(packets) * (BASE - TOP);
        let columns = float(i64::try_from(self.columns.len()).unwrap_or(1)).max(1.0);
        let width = (RIGHT - LEFT) / columns;
        let x = |column: f64| LEFT + column * width;
        let powers = (0..19).map(|it| 10u64.pow(it)).filter(|it| *it <= most);
        let every = match powers.clone().count() {
            0..6 => 1,
            count => count.div_ceil(5),
        };
        html! {
            @for power in powers.step_by(every) { (grid(y(count(power)), &thousands(power))) }
            @for (place, column) in (0..).zip(&self.columns) {
                @if column.packets > 0 {
                    @let (left, right) = (x(float(place)) + width * 0.06, x(float(place)) + width * 0.94);
                    path.bar d=(area((left, y(count(column.packets))), (right, BASE))) {
                        title { (column.label) ": " (column.packets) " packets" }
                    }
                }
            }
            line.axis x1=(n(LEFT)) x2=(n(RIGHT)) y1=(n(BASE)) y2=(n(BASE)) {}
            @for (place, label) in &self.labels { (below(x(*place), label)) }
            @for (row, (place, label)) in self.limits.iter().enumerate() {
                (limit(x(*place), label, row))
            }
        }
    }

    /// The columns that are not empty: label, packets and percents.
    pub(in crate::html) fn rows(&self) -> Vec<Vec<String>> {
        let count = |it: u64| float(i64::try_from(it).unwrap_or(i64::MAX));
        let total: u64 = self.columns.iter().map(|it| it.packets).sum();
        let columns = self.columns.iter().filter(|it| it.packets > 0);
        columns
            .map(|it| {
                let percent = count(it.packets) * 100.0 / count(total);
                vec![
                    it.label.clone(),
                    it.packets.to_string(),
                    format!("{percent:.5} %"),
                ]
            })
            .collect()
    }
}

/// A vertical line. Its label is at the side that has room; those of several are below each other.
fn limit(x: f64, label: &str, row: usize) -> Markup {
    let (at, anchor) = match x > WIDTH / 2.0 {
        true => (x - 5.0, "end"),
        false => (x + 5.0, "start"),
    };
    let y = TOP - 5.0 + 15.0 * float(i64::try_from(row).unwrap_or(0));
    html! {
        line.limit x1=(n(x)) x2=(n(x)) y1=(n(TOP - 14.0)) y2=(n(BASE)) {}
        text.limit x=(n(at)) y=(n(y)) text-anchor=(anchor) { (label) }
    }
}

/// 1, 10, 100, 1 k, … 1 M.
fn thousands(count: u64) -> String {
    match count {
        0..1_000 => count.to_string(),
        1_000..1_000_000 => format!("{} k", count / 1_000),
        1_000_000..1_000_000_000 => format!("{} M", count / 1_000_000),
        _ => format!("{} G", count / 1_000_000_000),
    }
}
