//! The timing of a video's packets, for people.

use super::document::{Compliance, ComplianceVerdict, TimingLevels, TimingRange, VideoTiming};
use crate::rows::{Grade, Row};

/// The figures beside their limits.
pub(super) fn rows(timing: &VideoTiming) -> Vec<Row> {
    let limit = |name, narrow, wide| format!("({name} narrow {narrow}, wide {wide})");
    let cmax = limit("CMAX", timing.cmax_narrow, timing.cmax_wide);
    let mut rows = vec![
        timing.compliance.as_ref().map_or_else(
            || Row::new("last second", "no packets"),
            |it| verdict("last second", it),
        ),
        verdict("since the start", &timing.compliance_since_start),
        Row::new("Cinst", format!("{} {cmax}", levels(&timing.cinst))),
    ];
    if let Some(vrx) = &timing.vrx {
        let full = limit("VRX_FULL", timing.vrx_full_narrow, timing.vrx_full_wide);
        rows.push(Row::new("VRX", format!("{} {full}", levels(vrx))));
    }
    if let Some(reason) = &timing.vrx_not_measured {
        rows.push(Row::new("VRX", format!("not measured: {reason}")));
    }
    let times = [
        ("first packet time", timing.first_packet_ns),
        (
            "first packet after RTP",
            timing.first_packet_after_timestamp_ns,
        ),
        ("margin", timing.margin_ns),
        ("between packets", timing.interval_ns),
    ];
    for (name, range) in times {
        rows.extend(range.map(|it| Row::new(name, microseconds(it))));
    }
    if let Some(TimingRange { min, mean, max }) = timing.rtp_offset_ticks {
        let text = format!("min {min} mean {mean} max {max} ticks");
        rows.push(Row::new("RTP offset", text));
    }
    let packets = timing.packets_per_frame;
    let sender = format!(
        "{}, {packets} packets a frame, TROFFSET {} µs",
        timing.schedule,
        timing.tr_offset_ns.div_ceil(1000)
    );
    rows.push(Row::new("sender", sender));
    let source = format!("{}: read once for the packets of a turn", timing.source);
    rows.push(Row::new("times of packets", source));
    rows
}

fn verdict(name: &'static str, compliance: &Compliance) -> Row {
    let grade = match (compliance.as_declared, compliance.verdict) {
        (Some(true), _) => Grade::Good,
        (Some(false), _) => Grade::Bad,
        (None, ComplianceVerdict::Narrow | ComplianceVerdict::NarrowLinear) => Grade::Good,
        (None, ComplianceVerdict::Wide) => Grade::Fair,
        (None, ComplianceVerdict::NotCompliant) => Grade::Bad,
    };
    let mut text = compliance.verdict.as_str().replace('_', " ");
    if let (Some(declared), Some(is_as)) = (compliance.declared, compliance.as_declared) {
        let mut declared = declared.as_str().replace('_', " ");
        if let Some(cmax) = compliance.declared_cmax {
            declared += &format!(", CMAX {cmax}");
        }
        let not = if is_as { "" } else { "not " };
        text += &format!(", {not}as its sender says ({declared})");
    }
    text += &format!(" ({} packets)", compliance.packets);
    let reason = compliance.not_as_declared.as_ref();
    if let Some(reason) = reason.or(compliance.reason.as_ref()) {
        text += &format!(": {reason}");
    }
    Row {
        grade: Some(grade),
        ..Row::new(name, text)
    }
}

fn levels(of: &TimingLevels) -> String {
    let mean = of.mean_thousandths;
    let sign = if mean < 0 { "-" } else { "" };
    let mean = mean.unsigned_abs();
    let (whole, rest) = (mean / 1000, mean % 1000);
    format!("min {} mean {sign}{whole}.{rest:03} max {}", of.min, of.max)
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn microseconds(TimingRange { min, mean, max }: TimingRange) -> String {
    let us = |ns: i64| ns as f64 / 1e3;
    format!(
        "min {:.3} mean {:.3} max {:.3} µs",
        us(min),
        us(mean),
        us(max)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_of_levels_is_written_with_its_sign() {
        let with = |mean_thousandths| TimingLevels {
            min: -2,
            mean_thousandths,
            max: 7,
            histogram: Vec::new(),
        };
        assert_eq!(levels(&with(5_007)), "min -2 mean 5.007 max 7");
        assert_eq!(levels(&with(-1_250)), "min -2 mean -1.250 max 7");
    }
}
