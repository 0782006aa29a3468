//! Contents of a capture's payloads, for people.

use onair_essence::ancillary::AncillaryContents;
use onair_essence::rows::Rows as _;

use super::time;
use crate::document::analysis::Audio;

pub(super) fn audio(audio: &Audio, add: &mut impl FnMut(&'static str, String)) {
    let form = match (audio.coding, audio.channels) {
        (Some(coding), Some(channels)) => {
            let guess = if audio.coding_is_guess {
                " (guess)"
            } else {
                ""
            };
            format!("{coding}, {channels} channels{guess}")
        }
        _ => "coding unknown: give --sdp for levels".to_owned(),
    };
    let packet_us = audio.packet_time_ns / 1000;
    let (rate, samples) = (audio.sample_rate, audio.samples);
    let packet = format!("{samples} samples a packet ({packet_us} µs)");
    add("audio", format!("{form}, {rate} Hz, {packet}"));
    let limit = i64::try_from(audio.delay_variation_limit_ns).unwrap_or(i64::MAX);
    let (found, limit) = (time(audio.delay_variation_ns), time(limit));
    let verdict = audio.verdict.replace('_', " ");
    add(
        "TS-DF",
        format!("{found} in a second, limit {limit}: {verdict}"),
    );
    let decibels = |hundredths: Option<i32>, unit: &str| {
        let of = |it: i32| format!("{:.1} {unit}", f64::from(it) / 100.0);
        hundredths.map_or_else(|| "-".to_owned(), of)
    };
    for (number, level) in audio.levels.iter().enumerate() {
        let text = match level.peak_hundredths {
            None => "silent".to_owned(),
            peak => format!(
                "peak {}, true peak {}, RMS {}",
                decibels(peak, "dBFS"),
                decibels(level.true_peak_hundredths, "dBTP"),
                decibels(level.rms_hundredths, "dBFS")
            ),
        };
        add("level", format!("channel {}: {text}", number + 1));
    }
}

pub(super) fn ancillary(contents: &AncillaryContents, add: &mut impl FnMut(&'static str, String)) {
    for row in contents.packets.rows() {
        add(row.name, row.text);
    }
    let (units, without) = (contents.units, contents.units_without_packets);
    add(
        "frames or fields",
        format!("{units}, {without} without an ANC packet"),
    );
    if contents.malformed > 0 {
        add("malformed", format!("{} RTP packets", contents.malformed));
    }
}
