//! The result of an export as a document.

use std::collections::BTreeMap;
use std::path::Path;

use onair_pixels::export::{FrameCounts, PacketCounts};
use serde::Serialize;

use crate::capture::Read;

/// Result of an export.
#[derive(Debug, Serialize)]
pub(crate) struct Exported {
    pub(crate) output: String,
    pub(crate) format: &'static str,
    /// Facts that a reader of the file must know.
    pub(crate) content: BTreeMap<&'static str, String>,
    pub(crate) bytes: u64,
    pub(crate) frames: u64,
    pub(crate) incomplete_frames: u64,
    /// The first incomplete frames.
    pub(crate) left_out: Vec<LeftOut>,
    /// Of audio: samples of each channel in the file, silence included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) samples: Option<u64>,
    /// Samples that did not come, and are silence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) silent_samples: Option<u64>,
    /// Jumps of the timestamps that are no gap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) timestamp_jumps: Option<u64>,
    /// The first silences.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) silences: Vec<Silence>,
    /// Packets of frames, complete or not.
    pub(crate) packets: u64,
    pub(crate) packets_of_no_frame: u64,
    /// Packets between the first and the last one that did not come.
    pub(crate) lost_packets: u64,
    /// Packets of which only the start was captured.
    pub(crate) cut_packets: u64,
    /// Packets that the recorder could not keep.
    pub(crate) recorder_missing: u64,
    pub(crate) files: Vec<ReadFile>,
}

/// Samples that did not come.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Silence {
    /// Place of the first one in the file, from 0.
    pub(crate) first_sample: u64,
    pub(crate) samples: u64,
}

/// An incomplete frame.
#[derive(Debug, Serialize)]
pub(crate) struct LeftOut {
    index: u64,
    rtp_timestamp: u32,
    bytes_missing: u64,
    packets: u64,
}

/// A packet file.
#[derive(Debug, Serialize)]
pub(crate) struct ReadFile {
    pub(crate) path: String,
    /// Packets in it.
    pub(crate) packets: u64,
    /// Packets without a time, or of an unknown link type: not exported.
    pub(crate) unusable_packets: u64,
    /// Why the file was not read to its end.
    pub(crate) damage: Option<String>,
}

impl ReadFile {
    pub(crate) fn of(path: &Path, read: Read) -> Self {
        Self {
            path: path.display().to_string(),
            packets: read.frames,
            unusable_packets: read.timeless + read.unknown_link,
            damage: read.damage,
        }
    }
}

impl Exported {
    /// Nothing yet.
    pub(crate) fn new(path: &Path, format: &'static str, facts: &[(&'static str, String)]) -> Self {
        Self {
            output: path.display().to_string(),
            format,
            content: facts.iter().cloned().collect(),
            bytes: 0,
            frames: 0,
            incomplete_frames: 0,
            left_out: Vec::new(),
            samples: None,
            silent_samples: None,
            timestamp_jumps: None,
            silences: Vec::new(),
            packets: 0,
            packets_of_no_frame: 0,
            lost_packets: 0,
            cut_packets: 0,
            recorder_missing: 0,
            files: Vec::new(),
        }
    }

    pub(crate) fn count_frames(&mut self, frames: &FrameCounts) {
        self.frames = frames.written;
        self.incomplete_frames = frames.incomplete;
        let left_out = frames.left_out.iter().map(|it| LeftOut {
            index: it.index,
            rtp_timestamp: it.rtp_timestamp,
            bytes_missing: it.bytes_missing,
            packets: it.packets,
        });
        self.left_out = left_out.collect();
    }

    pub(crate) fn count_packets(&mut self, packets: PacketCounts) {
        self.packets = packets.of_frames;
        self.packets_of_no_frame = packets.of_no_frame;
        self.lost_packets = packets.lost;
        self.cut_packets = packets.cut;
    }
}
