//! The result of an export as a document.

use std::collections::BTreeMap;
use std::path::Path;

use onair_pixels::export::{FrameCounts, FrameFile, PacketCounts};
use serde::Serialize;

use crate::capture::Read;

/// What was exported.
#[derive(Debug, Serialize)]
pub(crate) struct Exported {
    pub(crate) output: String,
    pub(crate) format: &'static str,
    /// What a reader of the file must know.
    pub(crate) content: BTreeMap<&'static str, String>,
    pub(crate) bytes: u64,
    pub(crate) frames: u64,
    pub(crate) incomplete_frames: u64,
    /// The first incomplete frames.
    pub(crate) left_out: Vec<LeftOut>,
    /// Packets of frames, complete or not.
    pub(crate) packets: u64,
    pub(crate) packets_of_no_frame: u64,
    /// Packets of which only the start was captured.
    pub(crate) cut_packets: u64,
    /// Packets that the recorder could not keep.
    pub(crate) recorder_missing: u64,
    pub(crate) files: Vec<ReadFile>,
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
    pub(crate) fn new(path: &Path, file: FrameFile, facts: &[(&'static str, String)]) -> Self {
        Self {
            output: path.display().to_string(),
            format: file.as_str(),
            content: facts.iter().cloned().collect(),
            bytes: 0,
            frames: 0,
            incomplete_frames: 0,
            left_out: Vec::new(),
            packets: 0,
            packets_of_no_frame: 0,
            cut_packets: 0,
            recorder_missing: 0,
            files: Vec::new(),
        }
    }

    pub(crate) fn count(&mut self, frames: &FrameCounts, packets: PacketCounts) {
        self.frames = frames.written;
        self.incomplete_frames = frames.incomplete;
        let left_out = frames.left_out.iter().map(|it| LeftOut {
            index: it.index,
            rtp_timestamp: it.rtp_timestamp,
            bytes_missing: it.bytes_missing,
            packets: it.packets,
        });
        self.left_out = left_out.collect();
        self.packets = packets.of_frames;
        self.packets_of_no_frame = packets.of_no_frame;
        self.cut_packets = packets.cut;
    }
}
