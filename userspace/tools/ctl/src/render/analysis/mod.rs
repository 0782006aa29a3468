//! An analyzed capture for people.

mod contents;
mod rows;

use std::fmt::Write as _;

use comfy_table::{Cell, Color};

use super::{Facts, cell, colour, coloured, columns, heading, or_dash, printable};
use crate::document::analysis::{Analysis, Flow, Histogram, Intervals};

pub(crate) use rows::{grade, rows};

/// Lines of a histogram; the rest is in the JSON.
const LINES: usize = 24;
/// Characters of the longest bar.
const BAR: f64 = 40.0;

/// A table of the streams, then the facts of each.
pub(crate) fn render(analysis: &Analysis) -> String {
    let file = &analysis.file;
    let mut text = format!(
        "{}: {}, {} frames, time in {}\n",
        printable(&file.path),
        file.format,
        file.frames,
        file.time_resolution.join(", ")
    );
    if file.cut_frames > 0 {
        let _ = writeln!(text, "{} frames captured in part", file.cut_frames);
    }
    let others = file.not_analyzed.present();
    if !others.is_empty() {
        let _ = writeln!(text, "not analyzed: {}", others.join(", "));
    }
    if let Some(damage) = &file.damage {
        let _ = writeln!(text, "{}: {damage}", console::style("damaged").red());
    }
    for note in &analysis.notes {
        let _ = writeln!(text, "{}", printable(note));
    }
    if analysis.flows.is_empty() {
        text += "no RTP stream: check the capture's filter and the port\n";
        return text;
    }
    text += "\n";
    text += &columns(
        &analysis.flows,
        &[
            ("DESTINATION", |it| cell(&it.destination)),
            ("SOURCE", |it| cell(&it.source)),
            ("VLAN", |it| cell(or_dash(it.vlan))),
            ("SSRC", |it| cell(format!("{:#010x}", it.ssrc))),
            ("PT", |it| cell(or_dash(it.payload_type))),
            ("ESSENCE", |it| cell(essence(it))),
            ("PACKETS", |it| cell(it.packets)),
            ("LOST", |it| bad_if(it.lost)),
            ("DOUBLED", |it| bad_if(it.duplicates)),
            ("VERDICT", |it| match &it.audio {
                Some(audio) => compliance(Some(audio.verdict)),
                None => compliance(it.timing.as_ref().map(|it| it.verdict.compliance)),
            }),
        ],
    );
    for flow in &analysis.flows {
        text += &heading(&format!("{} from {}", flow.destination, flow.source));
        text += &Facts::of(rows(flow)).print();
        let Some(timing) = &flow.timing else { continue };
        text += &levels("Cinst", &timing.cinst);
        if let Some(vrx) = &timing.vrx {
            text += &levels("VRX", vrx);
        }
        if let Some(spread) = &flow.intervals {
            text += &between(spread);
        }
    }
    text
}

/// Its essence.
pub(crate) fn essence(flow: &Flow) -> String {
    let name = match flow.essence {
        "jpeg_xs" => "JPEG XS".to_owned(),
        name => name.replace('_', " "),
    };
    if flow.essence_is_guess {
        name + " (guess)"
    } else {
        name
    }
}

fn bad_if(count: u64) -> Cell {
    match count {
        0 => cell(0),
        count => coloured(count, Color::Red),
    }
}

fn compliance(verdict: Option<&str>) -> Cell {
    let Some(verdict) = verdict else {
        return cell("-");
    };
    coloured(verdict.replace('_', " "), colour(grade(verdict)))
}

/// Nanoseconds in a fitting unit.
#[expect(clippy::cast_precision_loss, reason = "for people")]
pub(crate) fn time(ns: i64) -> String {
    match ns.unsigned_abs() {
        0..10_000 => format!("{ns} ns"),
        10_000..10_000_000 => format!("{:.3} µs", ns as f64 / 1e3),
        10_000_000..10_000_000_000 => format!("{:.3} ms", ns as f64 / 1e6),
        _ => format!("{:.3} s", ns as f64 / 1e9),
    }
}

fn levels(name: &str, of: &Histogram) -> String {
    let lines = of.histogram.iter();
    let lines = lines.map(|it| (it.level.to_string(), it.packets, it.percent));
    bars(name, lines.collect())
}

#[expect(clippy::cast_precision_loss, reason = "percentages")]
fn between(of: &Intervals) -> String {
    let total: u64 = of.histogram.iter().map(|it| it.packets).sum();
    let lines = of.histogram.iter().map(|it| {
        let from = time(i64::try_from(it.from_ns).unwrap_or(i64::MAX));
        let percent = it.packets as f64 * 100.0 / total as f64;
        (format!("from {from}"), it.packets, percent)
    });
    bars("Between packets", lines.collect())
}

/// A histogram: the most frequent lines, in order.
fn bars(name: &str, lines: Vec<(String, u64, f64)>) -> String {
    let mut counts: Vec<_> = lines.iter().map(|it| it.1).collect();
    counts.sort_unstable_by(|a, b| b.cmp(a));
    let least = counts.get(LINES - 1).copied().unwrap_or(0);
    let left_out = lines.iter().filter(|it| it.1 < least).count();
    let shown = lines.into_iter().filter(|it| it.1 >= least).take(LINES);
    let mut facts = Facts::default();
    for (label, packets, percent) in shown {
        #[expect(clippy::cast_possible_truncation, reason = "at most 40")]
        #[expect(clippy::cast_sign_loss, reason = "a percentage")]
        let length = (percent / 100.0 * BAR).ceil() as usize;
        let bar = "▇".repeat(length);
        facts.add(label, format!("{packets:>9}  {percent:>9.5} %  {bar}"));
    }
    let mut text = heading(name) + &facts.print();
    if left_out > 0 {
        let _ = writeln!(text, "{left_out} rare ones are in the JSON only");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_in_a_fitting_unit() {
        for (ns, text) in [
            (-7, "-7 ns"),
            (12_345, "12.345 µs"),
            (-37_000_000, "-37.000 ms"),
            (37_000_000_000, "37.000 s"),
        ] {
            assert_eq!(time(ns), text);
        }
    }

    #[test]
    fn long_histogram_is_cut_to_its_frequent_lines() {
        let lines = (1..=30).map(|n| (n.to_string(), n, 1.0)).collect();
        let text = bars("Cinst", lines);
        assert!(text.contains("6 rare ones"), "{text}");
        assert!(!text.lines().any(|line| line.starts_with("6  ")), "{text}");
    }
}
