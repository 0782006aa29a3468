//! The facts of a stream, for the table and for the page.

use onair_essence::rows::{Grade, Row};

use super::{contents, time};
use crate::document::analysis::{Count, Extremes, Flow, Intervals, Timing, Verdict};

/// Facts about a stream.
pub(crate) fn rows(flow: &Flow) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut add = |name: &'static str, value: String| rows.push(Row::new(name, value));
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
    if let Some(timing) = &flow.timing {
        timing_rows(timing, &mut add);
        rows.push(verdict(&timing.verdict, timing));
    }
    rows
}

fn timing_rows(timing: &Timing, add: &mut impl FnMut(&'static str, String)) {
    let read = format!(
        "{}, {} packets, TRS {:.3} µs, TROFFSET {:.3} µs, TDRAIN {:.3} µs",
        timing.schedule,
        timing.packets,
        timing.trs_ns / 1e3,
        timing.tr_offset_ns / 1e3,
        timing.tdrain_ns / 1e3
    );
    add("read schedule", read);
    add("frames or fields", timing.units.to_string());
    let limits = &timing.limits;
    let cinst = &timing.cinst;
    let figures = format!("min {} mean {:.3} max {}", cinst.min, cinst.mean, cinst.max);
    let limit = format!(
        "CMAX narrow {}, wide {}",
        limits.cmax_narrow, limits.cmax_wide
    );
    add("Cinst", format!("{figures} ({limit})"));
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
        add("VRX", format!("{figures} ({limit}){note}"));
        let first = timing.first_packet_ns.as_ref();
        add("first packet time", times(first));
        let after = timing.first_packet_after_timestamp_ns.as_ref();
        add("first packet after RTP", times(after));
        add("margin", times(timing.margin_ns.as_ref()));
        if let Some(offset) = &timing.rtp_offset_ticks {
            let text = format!(
                "min {} mean {:.3} max {}",
                offset.min, offset.mean, offset.max
            );
            add("RTP offset", text + " ticks");
        }
    }
}

/// How good a compliance is.
pub(crate) fn grade(compliance: &str) -> Grade {
    match compliance {
        "narrow" | "narrow_linear" | "compliant" => Grade::Good,
        "wide" => Grade::Fair,
        _ => Grade::Bad,
    }
}

fn verdict(verdict: &Verdict, timing: &Timing) -> Row {
    let name = verdict.compliance.replace('_', " ");
    let text = match &verdict.reason {
        Some(reason) => format!("{name}: {}", reason.text),
        None => name,
    };
    let by = match (&timing.vrx, timing.vrx_is_judged) {
        (Some(_), false) => " (by Cinst alone)",
        _ => "",
    };
    Row {
        grade: Some(grade(verdict.compliance)),
        ..Row::new("verdict", text + by)
    }
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
