//! The analysis as a document.

use onair_essence::ancillary::AncillaryContents;
use onair_essence::audio::AudioLevel;
use onair_essence::survey::Shown;
use serde::Serialize;

use super::over_time::{Legs, OverTime};

/// An analyzed capture.
#[derive(Debug, Serialize)]
pub(crate) struct Analysis {
    pub(crate) file: File,
    /// Slips of the session description that were accepted.
    pub(crate) notes: Vec<String>,
    pub(crate) flows: Vec<Flow>,
    /// Streams of several flows; only looked for with `--html`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) legs: Option<Vec<Legs>>,
}

#[derive(Debug, Serialize)]
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) format: &'static str,
    pub(crate) time_resolution: Vec<String>,
    pub(crate) link_types: Vec<i32>,
    pub(crate) frames: u64,
    /// Frames of which only the start was captured.
    pub(crate) cut_frames: u64,
    /// Why the file was not read to its end.
    pub(crate) damage: Option<String>,
    pub(crate) not_analyzed: NotAnalyzed,
}

/// Frames that belong to no stream, by reason.
#[derive(Debug, Serialize)]
pub(crate) struct NotAnalyzed {
    pub(crate) other_protocol: u64,
    pub(crate) fragments: u64,
    pub(crate) damaged: u64,
    pub(crate) other_udp: u64,
    pub(crate) other_flow: u64,
    pub(crate) stray: u64,
    pub(crate) beyond_flow_limit: u64,
    pub(crate) without_time: u64,
    pub(crate) unknown_link: u64,
}

impl NotAnalyzed {
    /// The contents, in words.
    pub(crate) fn present(&self) -> Vec<String> {
        let all = [
            (self.other_protocol, "of other protocols"),
            (self.fragments, "fragments"),
            (self.damaged, "cut or damaged in their headers"),
            (self.other_udp, "UDP but not RTP"),
            (self.other_flow, "to other destinations"),
            (self.stray, "of streams of one or two packets"),
            (self.beyond_flow_limit, "of more streams than are analyzed"),
            (self.without_time, "without a time"),
            (self.unknown_link, "of an unknown link type"),
        ];
        let present = all.iter().filter(|it| it.0 > 0);
        present
            .map(|(count, what)| format!("{count} {what}"))
            .collect()
    }
}

/// A stream: packets with the same addresses and SSRC.
#[derive(Debug, Serialize)]
pub(crate) struct Flow {
    pub(crate) source: String,
    pub(crate) destination: String,
    pub(crate) vlan: Option<u16>,
    pub(crate) ssrc: u32,
    pub(crate) payload_type: Option<u8>,
    pub(crate) other_payload_types: u64,
    pub(crate) dscp: u8,
    pub(crate) essence: &'static str,
    pub(crate) essence_is_guess: bool,
    /// `not_analyzed`: only RTP headers and times are; absent for video, whose rows are, ancillary data, and audio
    /// whose samples are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content: Option<&'static str>,
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    pub(crate) bits_per_second: Option<u64>,
    pub(crate) first_ns: u64,
    pub(crate) last_ns: u64,
    /// Packets with an earlier time than the one before.
    pub(crate) times_back: u64,
    pub(crate) lost: u64,
    pub(crate) gaps: u64,
    pub(crate) duplicates: u64,
    pub(crate) late: u64,
    pub(crate) markers: u64,
    /// Packets with the F bit of ST 2110-20.
    pub(crate) second_field_packets: Option<u64>,
    /// Packets from marker to marker, and how often.
    pub(crate) packets_per_unit: Vec<Count>,
    pub(crate) timestamp_steps: Vec<Count>,
    pub(crate) other_timestamp_steps: u64,
    pub(crate) payload_bytes: Option<Extremes>,
    pub(crate) intervals: Option<Intervals>,
    pub(crate) within_unit_ns: Option<Extremes>,
    pub(crate) after_marker_ns: Option<Extremes>,
    /// The known part of its format.
    #[serde(flatten)]
    pub(crate) format: Shown,
    pub(crate) audio: Option<Audio>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ancillary: Option<AncillaryContents>,
    /// From the time of the RTP timestamp to the packet.
    pub(crate) after_timestamp_ns: Option<Extremes>,
    /// The clock of the capture: `tai` as the sender's, `utc`, or `other`.
    pub(crate) clock: Option<&'static str>,
    pub(crate) timing: Option<Timing>,
    /// With `--html` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) over_time: Option<OverTime>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Count {
    pub(crate) value: i64,
    pub(crate) count: u64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Extremes {
    pub(crate) min: i64,
    pub(crate) mean: f64,
    pub(crate) max: i64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Intervals {
    pub(crate) min_ns: u64,
    pub(crate) mean_ns: u64,
    pub(crate) max_ns: u64,
    pub(crate) histogram: Vec<Bucket>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Bucket {
    pub(crate) from_ns: u64,
    pub(crate) packets: u64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Audio {
    pub(crate) sample_rate: u32,
    /// Samples of a packet, of each channel.
    pub(crate) samples: u32,
    pub(crate) packet_time_ns: u64,
    /// Absent if no session description says it, and several fit the packets.
    pub(crate) coding: Option<&'static str>,
    pub(crate) channels: Option<u32>,
    pub(crate) coding_is_guess: bool,
    /// Largest difference of the packets' delays within a second: TS-DF.
    pub(crate) delay_variation_ns: i64,
    /// 17 packet times.
    pub(crate) delay_variation_limit_ns: u64,
    /// By TS-DF: `compliant` or `not_compliant`.
    pub(crate) verdict: &'static str,
    /// Of each channel, over the whole capture.
    pub(crate) levels: Vec<AudioLevel>,
}

/// Timing of video by ST 2110-21.
#[derive(Debug, Serialize)]
pub(crate) struct Timing {
    pub(crate) schedule: &'static str,
    /// Packets of a frame or field.
    pub(crate) packets: u32,
    /// Frames or fields whose start was captured.
    pub(crate) units: u64,
    pub(crate) trs_ns: f64,
    pub(crate) tr_offset_ns: f64,
    pub(crate) tdrain_ns: f64,
    pub(crate) limits: Limits,
    pub(crate) cinst: Histogram,
    pub(crate) vrx: Option<Histogram>,
    /// Whether the verdict rests on VRX, too: the capture follows the sender's clock.
    pub(crate) vrx_is_judged: bool,
    /// FPT: from the start of the frame or field to its first packet.
    pub(crate) first_packet_ns: Option<Extremes>,
    pub(crate) first_packet_after_timestamp_ns: Option<Extremes>,
    pub(crate) rtp_offset_ticks: Option<Extremes>,
    pub(crate) margin_ns: Option<Extremes>,
    pub(crate) verdict: Verdict,
}

#[derive(Debug, Serialize)]
pub(crate) struct Limits {
    pub(crate) cmax_narrow: u64,
    pub(crate) cmax_wide: u64,
    pub(crate) vrx_full_narrow: u64,
    pub(crate) vrx_full_wide: u64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Histogram {
    pub(crate) min: i64,
    pub(crate) mean: f64,
    pub(crate) max: i64,
    /// Packets beyond the levels that are told apart; counted at the ends.
    pub(crate) outside: u64,
    pub(crate) histogram: Vec<Level>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Level {
    pub(crate) level: i64,
    pub(crate) packets: u64,
    pub(crate) percent: f64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Verdict {
    /// `narrow`, `narrow_linear`, `wide` or `not_compliant`.
    pub(crate) compliance: &'static str,
    pub(crate) reason: Option<Reason>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Reason {
    pub(crate) quantity: &'static str,
    pub(crate) figure: i64,
    pub(crate) limit: i64,
    pub(crate) text: String,
}
