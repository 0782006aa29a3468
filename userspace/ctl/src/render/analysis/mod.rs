//! An analyzed capture for people.

mod contents;

use std::fmt::Write as _;

use comfy_table::{Cell, Color};

use super::{Facts, cell, coloured, columns, heading, or_dash, printable};
use crate::document::analysis::{
    Analysis, Count, Extremes, Flow, Histogram, Intervals, Timing, Verdict,
};

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
        text += &facts(flow);
    }
    text
}

fn essence(flow: &Flow) -> String {
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
    let colour = match verdict {
        "narrow" | "narrow_linear" | "compliant" => Color::Green,
        "wide" => Color::Yellow,
        _ => Color::Red,
    };
    coloured(verdict.replace('_', " "), colour)
}

fn facts(flow: &Flow) -> String {
    let mut facts = Facts::default();
    let mut add = |name: &str, value: String| facts.add(name, value);
    for (name, value) in flow.format.rows() {
        add(name, value);
    }
    if let Some(audio) = &flow.audio {
        contents::audio(audio, &mut add);
    }
    if let Some(contents) = &flow.ancillary {
        contents::ancillary(contents, &mut add);
    }
    if flow.content.is_some() {
        let text = "not analyzed: only the RTP headers and the times are";
        add("content", text.to_owned());
    }
    if let Some(bits) = flow.bits_per_second {
        #[expect(clippy::cast_precision_loss, reason = "for people")]
        let megabits = bits as f64 / 1e6;
        add("payload", format!("{megabits:.3} Mbit/s"));
    }
    let order = format!(
        "{} lost in {} gaps, {} doubled, {} out of order",
        flow.lost, flow.gaps, flow.duplicates, flow.late
    );
    add("sequence", order);
    add(
        "timestamp steps",
        counts(&flow.timestamp_steps, flow.other_timestamp_steps),
    );
    if flow.markers > 0 {
        add("packets to a marker", counts(&flow.packets_per_unit, 0));
    }
    if let Some(field) = flow.second_field_packets {
        add("second field (F)", format!("{field} packets"));
    }
    if flow.times_back > 0 {
        add("times going back", format!("{} packets", flow.times_back));
    }
    if let Some(spread) = &flow.intervals {
        add("between packets", interval(spread));
    }
    add("after a marker", times(flow.after_marker_ns.as_ref()));
    add(
        "after the RTP timestamp",
        times(flow.after_timestamp_ns.as_ref()),
    );
    if let Some(clock) = flow.clock {
        add("clock of the capture", clock_text(clock).to_owned());
    }
    let Some(timing) = &flow.timing else {
        return facts.print();
    };
    timing_facts(&mut facts, timing);
    let mut text = facts.print();
    text += &levels("Cinst", &timing.cinst);
    if let Some(vrx) = &timing.vrx {
        text += &levels("VRX", vrx);
    }
    if let Some(spread) = &flow.intervals {
        text += &between(spread);
    }
    text
}

fn timing_facts(facts: &mut Facts, timing: &Timing) {
    let read = format!(
        "{}, {} packets, TRS {:.3} µs, TROFFSET {:.3} µs, TDRAIN {:.3} µs",
        timing.schedule,
        timing.packets,
        timing.trs_ns / 1e3,
        timing.tr_offset_ns / 1e3,
        timing.tdrain_ns / 1e3
    );
    facts.add("read schedule", read);
    facts.add("frames or fields", timing.units);
    let limits = &timing.limits;
    let cinst = &timing.cinst;
    let figures = format!("min {} mean {:.3} max {}", cinst.min, cinst.mean, cinst.max);
    let limit = format!(
        "CMAX narrow {}, wide {}",
        limits.cmax_narrow, limits.cmax_wide
    );
    facts.add("Cinst", format!("{figures} ({limit})"));
    if let Some(vrx) = &timing.vrx {
        let figures = format!("min {} mean {:.3} max {}", vrx.min, vrx.mean, vrx.max);
        let limit = format!(
            "VRX_FULL narrow {}, wide {}",
            limits.vrx_full_narrow, limits.vrx_full_wide
        );
        let note = if timing.vrx_is_judged {
            ""
        } else {
            "; not judged: the capture does not follow the sender's clock"
        };
        facts.add("VRX", format!("{figures} ({limit}){note}"));
        let first = timing.first_packet_ns.as_ref();
        facts.add("first packet time", times(first));
        let after = timing.first_packet_after_timestamp_ns.as_ref();
        facts.add("first packet after RTP", times(after));
        facts.add("margin", times(timing.margin_ns.as_ref()));
        if let Some(offset) = &timing.rtp_offset_ticks {
            let text = format!(
                "min {} mean {:.3} max {}",
                offset.min, offset.mean, offset.max
            );
            facts.add("RTP offset", text + " ticks");
        }
    }
    facts.add_cell("verdict", verdict(&timing.verdict, timing));
}

fn verdict(verdict: &Verdict, timing: &Timing) -> Cell {
    let name = verdict.compliance.replace('_', " ");
    let text = match &verdict.reason {
        Some(reason) => format!("{name}: {}", reason.text),
        None => name,
    };
    let colour = match verdict.compliance {
        "not_compliant" => Color::Red,
        "wide" => Color::Yellow,
        _ => Color::Green,
    };
    let by = match (&timing.vrx, timing.vrx_is_judged) {
        (Some(_), false) => " (by Cinst alone)",
        _ => "",
    };
    coloured(text + by, colour)
}

fn clock_text(clock: &str) -> &'static str {
    match clock {
        "tai" => "TAI, as the sender's",
        "utc" => "UTC: give --tai-offset 37 to compare it with the sender's",
        _ => "not that of the sender",
    }
}

fn counts(of: &[Count], others: u64) -> String {
    let mut parts: Vec<_> = of
        .iter()
        .map(|it| format!("{} ({}x)", it.value, it.count))
        .collect();
    if others > 0 {
        parts.push(format!("others ({others}x)"));
    }
    if parts.is_empty() {
        return "-".to_owned();
    }
    parts.join(", ")
}

fn times(of: Option<&Extremes>) -> String {
    of.map_or_else(
        || "-".to_owned(),
        |it| {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "a mean between two such numbers"
            )]
            let mean = it.mean.round() as i64;
            format!(
                "min {} mean {} max {}",
                time(it.min),
                time(mean),
                time(it.max)
            )
        },
    )
}

fn interval(of: &Intervals) -> String {
    let signed = |ns: u64| time(i64::try_from(ns).unwrap_or(i64::MAX));
    let (min, mean) = (signed(of.min_ns), signed(of.mean_ns));
    format!("min {min} mean {mean} max {}", signed(of.max_ns))
}

/// Nanoseconds in a fitting unit.
#[expect(clippy::cast_precision_loss, reason = "for people")]
fn time(ns: i64) -> String {
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
