//! Values over the time of a stream: a bar from the smallest to the largest of each part.

use maud::{Markup, html};

use super::scale::{Unit, float, lines};
use super::{BASE, LEFT, RIGHT, TOP, area, below, grid, n};
use crate::document::over_time::Axis;
use crate::render::analysis::time;

/// A value is drawn as so many times its spread from another if it is far from 0.
const FAR: f64 = 20.0;
/// Height of a single value.
const THIN: f64 = 3.0;
/// The highest value is below the upper end.
const HEADROOM: f64 = 1.05;

/// One of the layers that are drawn over each other.
#[derive(Debug)]
pub(in crate::html) struct Layer {
    /// Its class in the style.
    pub(in crate::html) class: &'static str,
    /// From and to, of each part.
    pub(in crate::html) spans: Vec<Option<(f64, f64)>>,
}

/// Values over time.
#[derive(Debug)]
pub(in crate::html) struct Timeline {
    pub(in crate::html) axis: Axis,
    pub(in crate::html) unit: Unit,
    pub(in crate::html) layers: Vec<Layer>,
    /// A value, and what ends there.
    pub(in crate::html) limits: Vec<(f64, &'static str)>,
}

impl Timeline {
    /// Lowest and highest value.
    pub(in crate::html) fn range(&self) -> Option<(f64, f64)> {
        let spans = self.layers.iter().flat_map(|it| it.spans.iter().flatten());
        let range = spans.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), it| {
            (low.min(it.0), high.max(it.1))
        });
        (range.0 <= range.1).then_some(range)
    }

    /// Of values far from 0, as delays by another clock, the differences from this one are shown; else 0.
    pub(in crate::html) fn base(&self) -> f64 {
        let (low, high) = self.range().unwrap_or_default();
        let is_far = low.abs().min(high.abs()) > FAR * (high - low) && low != high;
        match is_far && self.unit == Unit::Nanos {
            true => low,
            false => 0.0,
        }
    }

    /// The picture.
    pub(in crate::html) fn draw(&self) -> Markup {
        let (low, high) = self.range().unwrap_or((0.0, 1.0));
        let base = self.base();
        let limits = self.limits.iter().filter(|it| it.0 <= 2.0 * high.max(5.0));
        let highest = limits.clone().fold(high, |high, it| high.max(it.0)) - base;
        let lowest = (low - base).min(0.0);
        let highest = highest.max(0.0);
        let span = if highest > lowest {
            (highest - lowest) * HEADROOM
        } else {
            1.0
        };
        let room = BASE - TOP;
        let y = |value: f64| BASE - (value - base - lowest) / span * room;
        let parts = float(self.axis.bins.cast_signed());
        let width = (RIGHT - LEFT) / parts;
        let x = |part: f64| LEFT + part * width;
        html! {
            @for line in lines(lowest, lowest + span) {
                @let sign = if base != 0.0 && line > 0.0 { "+" } else { "" };
                (grid(y(line + base), &format!("{sign}{}", self.unit.label(line))))
            }
            @if base != 0.0 {
                text.label x=(n(LEFT)) y=(n(TOP - 6.0)) { "from " (self.unit.text(base)) }
            }
            @for layer in &self.layers {
                @for (part, span) in (0..).zip(&layer.spans) {
                    @if let Some((from, to)) = span {
                        @let top = y(*to).min(BASE - THIN);
                        @let base = y(*from).max(top + THIN);
                        path class=(layer.class) d=(area((x(float(part)), top), (x(float(part + 1)), base))) {
                            title { (self.time(part)) ": " (self.span(*from - base, *to - base)) }
                        }
                    }
                }
            }
            line.axis x1=(n(LEFT)) x2=(n(RIGHT)) y1=(n(y(base))) y2=(n(y(base))) {}
            @for (value, name) in limits {
                line.limit x1=(n(LEFT)) x2=(n(RIGHT)) y1=(n(y(*value))) y2=(n(y(*value))) {}
                text.limit x=(n(RIGHT)) y=(n(y(*value) - 4.0)) text-anchor="end" { (name) " " (value) }
            }
            @let length = float(self.axis.bin_ns.cast_signed()) * parts;
            @for line in lines(0.0, length) {
                (below(x(line / length * parts), &Unit::Nanos.label(line)))
            }
        }
    }

    /// When a part begins, since the first packet.
    pub(in crate::html) fn time(&self, part: i64) -> String {
        time(self.axis.bin_ns.cast_signed().saturating_mul(part))
    }

    fn span(&self, from: f64, to: f64) -> String {
        match from == to || (from == 0.0 && self.unit != Unit::Nanos) {
            true => self.unit.text(to),
            false => format!("{} to {}", self.unit.text(from), self.unit.text(to)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn picture_of_any_values_has_only_finite_places_inside(
            spans in prop::collection::vec(prop::option::of((any::<i64>(), any::<i64>())), 1..=120),
            (shift, first, last) in (0u32..64, any::<u64>(), any::<u64>()),
            limit in 0..=i64::MAX,
        ) {
            let value = |it: i64| float(it >> shift);
            let span = |(a, b): (i64, i64)| (value(a.min(b)), value(a.max(b)));
            let timeline = Timeline {
                axis: Axis::new(first.min(last), first.max(last)),
                unit: Unit::Nanos,
                layers: vec![Layer { class: "bar", spans: spans.into_iter().map(|it| it.map(span)).collect() }],
                limits: vec![(value(limit), "type N:")],
            };
            let picture = timeline.draw().into_string();
            let areas = picture.split(" d=\"M").skip(1).filter_map(|it| it.split('z').next());
            for number in areas.flat_map(|it| it.split(['H', 'V', ' '])) {
                let number: f64 = number.parse().unwrap();
                prop_assert!((-20.0..=super::super::WIDTH).contains(&number), "{}", number);
            }
            prop_assert!(!picture.contains("NaN") && !picture.contains("inf"), "{}", picture);
        }
    }
}
