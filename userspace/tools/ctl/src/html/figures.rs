//! Each picture: its values, its words and its table.

use super::chart::{Figure, Layer, Timeline, Unit, float, of_intervals, of_levels};
use crate::document::analysis::{Histogram, Intervals, Timing};
use crate::document::over_time::{Band, OverTime, TimeBin};
use crate::render::analysis::time;

const HISTOGRAM: [&str; 3] = ["Level", "Packets", "Share"];

pub(super) fn cinst(timing: &Timing) -> Figure {
    let limits = &timing.limits;
    let limits = [
        ("type N:", limits.cmax_narrow),
        ("type W:", limits.cmax_wide),
    ];
    levels("Cinst", "CMAX", &timing.cinst, &limits)
}

pub(super) fn vrx(timing: &Timing, vrx: &Histogram) -> Figure {
    let limits = &timing.limits;
    let limits = [
        ("type N:", limits.vrx_full_narrow),
        ("type W:", limits.vrx_full_wide),
    ];
    let mut figure = levels("VRX", "VRX_FULL", vrx, &limits);
    if vrx.min < 0 {
        figure.text += " Below 0, a receiver reads before the packet is there.";
    }
    if !timing.vrx_is_judged {
        figure.text += " Not judged: the capture does not follow the sender's clock.";
    }
    figure
}

fn levels(
    title: &'static str,
    limit: &str,
    of: &Histogram,
    limits: &[(&'static str, u64); 2],
) -> Figure {
    let (min, mean, max) = (of.min, of.mean, of.max);
    let [(_, narrow), (_, wide)] = limits;
    let drawn = of_levels(of, limits);
    Figure {
        title,
        text: format!(
            "Packets at each level, logarithmic. Lowest {min}, mean {mean:.3}, highest {max}; {limit} of type N \
             is {narrow}, of type W {wide}."
        ),
        legend: Vec::new(),
        picture: drawn.draw(),
        head: HISTOGRAM.to_vec(),
        rows: drawn.rows(),
    }
}

pub(super) fn intervals(of: &Intervals) -> Figure {
    let text = |ns: u64| time(i64::try_from(ns).unwrap_or(i64::MAX));
    let drawn = of_intervals(of);
    Figure {
        title: "Time between packets",
        text: format!(
            "Packets at each distance to the one before, both logarithmic. Shortest {}, mean {}, longest {}.",
            text(of.min_ns),
            text(of.mean_ns),
            text(of.max_ns)
        ),
        legend: Vec::new(),
        picture: drawn.draw(),
        head: vec!["Distance", "Packets", "Share"],
        rows: drawn.rows(),
    }
}

pub(super) fn rate(of: &OverTime) -> Figure {
    let length_ns = float(of.axis.bin_ns.cast_signed());
    let rate = |it: &TimeBin| float(it.bytes.cast_signed()) * 8000.0 / length_ns;
    let spans = of.parts.iter().map(|it| Some((0.0, rate(it))));
    let timeline = one(of, Unit::MegabitsPerSecond, spans.collect());
    let parts = (0..).zip(&of.parts);
    let rows = parts.map(|(place, it)| {
        vec![
            timeline.time(place),
            it.packets.to_string(),
            Unit::MegabitsPerSecond.text(rate(it)),
        ]
    });
    let length = time(of.axis.bin_ns.cast_signed());
    let highest = timeline.range().map_or(0.0, |it| it.1);
    Figure {
        title: "Payload in Mbit/s over time",
        text: format!(
            "RTP payload in parts of {length}. Highest {}.",
            Unit::MegabitsPerSecond.text(highest)
        ),
        legend: Vec::new(),
        picture: timeline.draw(),
        head: vec!["Time", "Packets", "Payload"],
        rows: rows.collect(),
    }
}

/// `None` if all packets came once and in order.
pub(super) fn losses(of: &OverTime) -> Option<Figure> {
    let counts = |it: &TimeBin| [it.missing, it.late, it.duplicates];
    let mut totals = [0; 3];
    for part in &of.parts {
        let all = totals.iter_mut().zip(counts(part));
        all.for_each(|(total, count)| *total += count);
    }
    if totals == [0; 3] {
        return None;
    }
    let stacked = |place: usize| {
        let spans = of.parts.iter().map(|it| {
            let counts = counts(it).map(|it| float(it.cast_signed()));
            let from: f64 = counts[..place].iter().sum();
            (counts[place] > 0.0).then_some((from, from + counts[place]))
        });
        spans.collect()
    };
    let legend = vec![
        ("missing", "missing"),
        ("late", "out of order"),
        ("doubled", "doubled"),
    ];
    let layers = legend.iter().enumerate();
    let layers = layers.map(|(place, (class, _))| Layer {
        class,
        spans: stacked(place),
    });
    let timeline = Timeline {
        axis: of.axis,
        unit: Unit::Count,
        layers: layers.collect(),
        limits: Vec::new(),
    };
    let parts = (0..).zip(&of.parts);
    let parts = parts.filter(|(_, it)| counts(it) != [0; 3]);
    let rows = parts.map(|(place, it)| {
        let counts = counts(it).map(|it| it.to_string());
        [vec![timeline.time(place)], counts.to_vec()].concat()
    });
    let [missing, late, doubled] = totals;
    Some(Figure {
        title: "Packets missing, out of order and doubled over time",
        text: format!(
            "{missing} numbers were missing when the next packet came; of these, {late} came late. Packets \
             that came twice: {doubled}."
        ),
        legend,
        picture: timeline.draw(),
        head: vec!["Time", "Missing", "Out of order", "Doubled"],
        rows: rows.collect(),
    })
}

pub(super) fn legs(of: &OverTime) -> Option<Figure> {
    let words = "From the packet of leg 1 to the same packet of this leg, in each part of the time";
    let bands = Bands::times("Time after leg 1", words);
    bands.figure(of, |it| it.after_first_leg_ns)
}

pub(super) fn longest_interval(of: &OverTime) -> Option<Figure> {
    let words = "Longest distance of a packet to the one before, in each part of the time";
    let bands = Bands {
        is_peak: true,
        ..Bands::times("Longest time between packets", words)
    };
    bands.figure(of, |it| {
        (it.packets > 0).then(|| peak(it.longest_interval_ns))
    })
}

pub(super) fn marker_interval(of: &OverTime) -> Option<Figure> {
    let words = "From one packet with a marker, the last of a frame or field, to the next";
    let bands = Bands::times("Time from marker to marker", words);
    bands.figure(of, |it| it.marker_interval_ns)
}

pub(super) fn after_timestamp(of: &OverTime) -> Option<Figure> {
    let words = "From the time of each RTP timestamp to the first packet that has it";
    let bands = Bands::times("First packet after its RTP timestamp", words);
    bands.figure(of, |it| it.first_after_timestamp_ns)
}

pub(super) fn cinst_over_time(of: &OverTime, timing: &Timing) -> Option<Figure> {
    let limits = &timing.limits;
    let bands = Bands {
        title: "Highest Cinst over time",
        words: "Highest level of the network model in each part of the time",
        unit: Unit::Count,
        limits: Some([limits.cmax_narrow, limits.cmax_wide]),
        is_peak: true,
    };
    bands.figure(of, |it| it.cinst_max.map(peak))
}

pub(super) fn vrx_over_time(of: &OverTime, timing: &Timing) -> Option<Figure> {
    let limits = &timing.limits;
    let bands = Bands {
        title: "VRX over time",
        words: "Levels of the virtual receive buffer in each part of the time",
        unit: Unit::Count,
        limits: Some([limits.vrx_full_narrow, limits.vrx_full_wide]),
        is_peak: false,
    };
    bands.figure(of, |it| it.vrx)
}

/// A value over time.
struct Bands {
    title: &'static str,
    words: &'static str,
    unit: Unit,
    /// Of type N and type W.
    limits: Option<[u64; 2]>,
    /// Only the highest of each part is known.
    is_peak: bool,
}

/// From 0 to `highest`.
fn peak(highest: u64) -> Band {
    Band {
        min: 0,
        max: i64::try_from(highest).unwrap_or(i64::MAX),
    }
}

impl Bands {
    const fn times(title: &'static str, words: &'static str) -> Self {
        Self {
            title,
            words,
            unit: Unit::Nanos,
            limits: None,
            is_peak: false,
        }
    }

    /// `None` without a value.
    fn figure(&self, of: &OverTime, value: impl Fn(&TimeBin) -> Option<Band>) -> Option<Figure> {
        let values: Vec<_> = of.parts.iter().map(value).collect();
        let spans = values.iter();
        let spans = spans.map(|it| it.map(|it| (float(it.min), float(it.max))));
        let mut timeline = one(of, self.unit, spans.collect());
        let (low, high) = timeline.range()?;
        let base = timeline.base();
        let above = |value: f64| self.unit.text(value - base);
        let (low, high) = (above(low), above(high));
        let mut text = match self.is_peak {
            true => format!("{}. Highest {high}.", self.words),
            false => format!("{}. Lowest {low}, highest {high}.", self.words),
        };
        if base != 0.0 {
            text += &format!(" Counted from {}.", self.unit.text(base));
        }
        if let Some([narrow, wide]) = self.limits {
            text += &format!(" The limit of type N is {narrow}, of type W {wide}.");
            let limit = |it: u64| float(i64::try_from(it).unwrap_or(i64::MAX));
            timeline.limits = vec![(limit(narrow), "type N:"), (limit(wide), "type W:")];
        }
        let present = (0..).zip(&values);
        let present = present.filter_map(|(place, it)| Some((place, (*it)?)));
        let rows = present.map(|(place, it)| {
            let max = above(float(it.max));
            match self.is_peak {
                true => vec![timeline.time(place), max],
                false => vec![timeline.time(place), above(float(it.min)), max],
            }
        });
        let rows = rows.collect();
        Some(Figure {
            title: self.title,
            text,
            legend: Vec::new(),
            picture: timeline.draw(),
            head: match self.is_peak {
                true => vec!["Time", "Highest"],
                false => vec!["Time", "Lowest", "Highest"],
            },
            rows,
        })
    }
}

fn one(of: &OverTime, unit: Unit, spans: Vec<Option<(f64, f64)>>) -> Timeline {
    Timeline {
        axis: of.axis,
        unit,
        layers: vec![Layer {
            class: "bar",
            spans,
        }],
        limits: Vec::new(),
    }
}
