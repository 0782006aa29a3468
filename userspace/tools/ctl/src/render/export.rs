//! The result of an export, for people.

use super::{Facts, bytes, printable};
use crate::document::export::Exported;

/// The result of an export: output and input.
pub(crate) fn render(exported: &Exported) -> String {
    let mut facts = Facts::default();
    let size = bytes(exported.bytes);
    facts.add("written", format!("{} ({size})", exported.output));
    facts.add("format", exported.format);
    for (name, value) in &exported.content {
        facts.add(name.replace('_', " "), value);
    }
    facts.add(
        "frames",
        format!("{}{}", exported.frames, reasons(exported)),
    );
    if let Some(samples) = exported.samples {
        facts.add("samples", samples);
    }
    if let Some(silent) = exported.silent_samples {
        facts.add("silent samples", silent);
    }
    if let Some(jumps) = exported.timestamp_jumps {
        facts.add("timestamp jumps", jumps);
    }
    facts.add("files", exported.files.len());
    facts.add("packets", exported.packets);
    facts.print()
}

/// Reasons for frames that are not in the file, in words behind their number.
pub(crate) fn reasons(exported: &Exported) -> String {
    let counts = [
        (exported.incomplete_frames, "incomplete frames left out"),
        (exported.cut_packets, "packets captured in part"),
        (exported.packets_of_no_frame, "packets of no frame"),
    ];
    let damaged = exported.files.iter().filter(|it| it.damage.is_some());
    let present = counts.into_iter().filter(|it| it.0 > 0);
    let mut all: Vec<_> = present.map(|(n, what)| format!("{n} {what}")).collect();
    all.extend(damaged.map(|it| format!("{} is damaged", printable(&it.path))));
    match all.is_empty() {
        true => String::new(),
        false => format!(" ({})", all.join(", ")),
    }
}

/// Why packets are missing.
pub(crate) fn warnings(exported: &Exported) -> Vec<String> {
    let damaged = exported.files.iter().filter_map(|file| {
        let damage = file.damage.as_ref()?;
        let path = printable(&file.path);
        Some(format!("{path}: {damage}: the rest is not exported"))
    });
    let mut all: Vec<_> = damaged.collect();
    if exported.recorder_missing > 0 {
        let missing = exported.recorder_missing;
        all.push(format!(
            "the recorder could not keep {missing} packets: the manifest lists where"
        ));
    }
    if exported.lost_packets > 0 {
        let lost = exported.lost_packets;
        all.push(format!("{lost} packets did not come, by their numbers"));
    }
    if let (Some(silent), Some(samples)) = (exported.silent_samples, exported.samples) {
        all.push(format!(
            "{silent} of {samples} samples did not come, and are silence"
        ));
    }
    if let Some(jumps) = exported.timestamp_jumps {
        all.push(format!(
            "{jumps} times the timestamps go on at another time: what lies between is not in the file"
        ));
    }
    all
}
