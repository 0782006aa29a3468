//! The timing of a session's packets.

use comfy_table::{Cell, Color};
use onair_api::{Compliance, ComplianceVerdict, SessionTiming, TimingLevels, TimingRange};

use crate::render::{Facts, cell, coloured};

/// A table of the figures beside their limits.
pub(super) fn facts(timing: &SessionTiming) -> String {
    let mut facts = Facts::default();
    match &timing.compliance {
        Some(compliance) => facts.add_cell("last second", verdict(compliance)),
        None => facts.add_cell("last second", cell("no packets")),
    }
    facts.add_cell("since the start", verdict(&timing.compliance_since_start));
    let limit = |name, narrow, wide| format!("({name} narrow {narrow}, wide {wide})");
    let cmax = limit("CMAX", timing.cmax_narrow, timing.cmax_wide);
    facts.add("Cinst", format!("{} {cmax}", levels(&timing.cinst)));
    let full = limit("VRX_FULL", timing.vrx_full_narrow, timing.vrx_full_wide);
    if let Some(vrx) = &timing.vrx {
        facts.add("VRX", format!("{} {full}", levels(vrx)));
    }
    if let Some(reason) = &timing.vrx_not_measured {
        facts.add("VRX", format!("not measured: {reason}"));
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
        if let Some(range) = range {
            facts.add(name, microseconds(range));
        }
    }
    if let Some(TimingRange { min, mean, max }) = timing.rtp_offset_ticks {
        facts.add(
            "RTP offset",
            format!("min {min} mean {mean} max {max} ticks"),
        );
    }
    let packets = timing.packets_per_frame;
    facts.add(
        "sender",
        format!(
            "{}, {packets} packets a frame, TROFFSET {} µs",
            timing.schedule,
            timing.tr_offset_ns.div_ceil(1000)
        ),
    );
    let source = format!("{}: read once for the packets of a turn", timing.source);
    facts.add("times of packets", source);
    facts.print()
}

fn verdict(compliance: &Compliance) -> Cell {
    let colour = match compliance.verdict {
        ComplianceVerdict::Narrow | ComplianceVerdict::NarrowLinear => Color::Green,
        ComplianceVerdict::Wide => Color::Yellow,
        ComplianceVerdict::NotCompliant => Color::Red,
    };
    let colour = match compliance.as_declared {
        Some(true) => Color::Green,
        Some(false) => Color::Red,
        None => colour,
    };
    let mut name = compliance.verdict.as_str().replace('_', " ");
    if let (Some(declared), Some(is_as)) = (compliance.declared, compliance.as_declared) {
        let mut declared = declared.as_str().replace('_', " ");
        if let Some(cmax) = compliance.declared_cmax {
            declared += &format!(", CMAX {cmax}");
        }
        let not = if is_as { "" } else { "not " };
        name += &format!(", {not}as its sender says ({declared})");
    }
    name += &format!(" ({} packets)", compliance.packets);
    match compliance
        .not_as_declared
        .as_ref()
        .or(compliance.reason.as_ref())
    {
        Some(reason) => coloured(format!("{name}: {reason}"), colour),
        None => coloured(name, colour),
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
