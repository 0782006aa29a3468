//! Frames of a file, from buffers that the assembler reports: of interlaced video, two fields make one.

use onair_essence::receive::{Sink, UnitReport};
use onair_essence::video::{VideoFormat, tag};

use super::file::FrameFile;
use super::planar::Planar;
use crate::picture::Lines;
use crate::weave::are_of_one_frame;

/// Frames that are listed one by one; further ones are only counted.
pub const LISTED: usize = 1000;

/// An incomplete frame that is not in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Number of frames that began to arrive before it.
    pub index: u64,
    /// RTP timestamp of the frame, or of its field that arrived first.
    pub rtp_timestamp: u32,
    /// Bytes that did not arrive.
    pub bytes_missing: u64,
    /// Packets of it that arrived.
    pub packets: u64,
}

/// Counts of frames.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FrameCounts {
    /// Frames in the file.
    pub written: u64,
    /// Frames left out because they are incomplete.
    pub incomplete: u64,
    /// The first frames left out, at most [`LISTED`].
    pub left_out: Vec<LeftOut>,
}

/// Buffers in assembly: frames, or fields.
#[derive(Debug)]
pub(super) struct Buffers {
    bytes: usize,
    slots: Vec<Box<[u8]>>,
    free: Vec<usize>,
    finished: Vec<(usize, UnitReport)>,
}

impl Sink for Buffers {
    type Slot = usize;

    fn open(&mut self, _: u32) -> Option<usize> {
        if let Some(slot) = self.free.pop() {
            return Some(slot);
        }
        self.slots.push(vec![0; self.bytes].into_boxed_slice());
        Some(self.slots.len() - 1)
    }

    fn write(&mut self, slot: usize, offset: usize, bytes: &[u8]) {
        self.slots[slot][offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    fn finish(&mut self, slot: usize, report: &UnitReport) {
        self.finished.push((slot, *report));
    }
}

impl Buffers {
    pub(super) fn new(format: &VideoFormat) -> Self {
        Self {
            bytes: format.frame_bytes(),
            slots: Vec::new(),
            free: Vec::new(),
            finished: Vec::new(),
        }
    }

    /// Passes the finished buffers to `frames`, which writes to `out`.
    pub(super) fn pass(&mut self, frames: &mut Frames, out: &mut Vec<u8>) {
        for (slot, report) in self.finished.drain(..) {
            frames.take(&report, &self.slots[slot], out);
            self.free.push(slot);
        }
    }
}

/// State of a frame whose second field is still missing.
#[derive(Clone, Copy, Debug)]
struct FirstField {
    rtp_timestamp: u32,
    bytes_missing: usize,
    packets: u32,
    is_complete: bool,
}

/// The frames of a file.
#[derive(Debug)]
pub(super) struct Frames {
    format: VideoFormat,
    file: FrameFile,
    planar: Planar,
    /// Planes of the frame to be written next.
    planes: Vec<u8>,
    first: Option<FirstField>,
    begun: u64,
    counts: FrameCounts,
}

impl Frames {
    pub(super) fn new(format: VideoFormat, file: FrameFile, planar: Planar) -> Self {
        Self {
            format,
            file,
            planar,
            planes: vec![0; planar.bytes()],
            first: None,
            begun: 0,
            counts: FrameCounts::default(),
        }
    }

    pub(super) const fn counts(&self) -> &FrameCounts {
        &self.counts
    }

    fn take(&mut self, report: &UnitReport, pgroups: &[u8], out: &mut Vec<u8>) {
        match report.tag {
            tag::FIRST_FIELD => self.take_first(report, pgroups),
            tag::SECOND_FIELD => self.take_second(report, pgroups, out),
            _ if report.complete => {
                self.planar.write(Lines::All, pgroups, &mut self.planes);
                self.write(out);
            }
            _ => {
                let (missing, packets) = (report.bytes_missing, report.packets_received);
                self.leave_out(report.rtp_timestamp, missing, packets);
            }
        }
    }

    fn take_first(&mut self, report: &UnitReport, pgroups: &[u8]) {
        self.end();
        if report.complete {
            self.planar.write(Lines::First, pgroups, &mut self.planes);
        }
        self.first = Some(FirstField {
            rtp_timestamp: report.rtp_timestamp,
            bytes_missing: report.bytes_missing,
            packets: report.packets_received,
            is_complete: report.complete,
        });
    }

    fn take_second(&mut self, report: &UnitReport, pgroups: &[u8], out: &mut Vec<u8>) {
        let stamp = report.rtp_timestamp;
        let is_of_it =
            |first: &FirstField| are_of_one_frame(self.format.rate(), first.rtp_timestamp, stamp);
        let Some(first) = self.first.take_if(|first| is_of_it(first)) else {
            self.end();
            // The first field has the size of a buffer.
            let missing = self.format.frame_bytes() + report.bytes_missing;
            return self.leave_out(stamp, missing, report.packets_received);
        };
        if first.is_complete && report.complete {
            self.planar.write(Lines::Second, pgroups, &mut self.planes);
            return self.write(out);
        }
        let missing = first.bytes_missing + report.bytes_missing;
        let packets = first.packets.saturating_add(report.packets_received);
        self.leave_out(first.rtp_timestamp, missing, packets);
    }

    /// No second field of a first one follows.
    pub(super) fn end(&mut self) {
        if let Some(first) = self.first.take() {
            let second = self.format.second_field_pgroups() * self.format.pgroup_bytes();
            let missing = first.bytes_missing + second;
            self.leave_out(first.rtp_timestamp, missing, first.packets);
        }
    }

    fn write(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.file.frame_header());
        out.extend_from_slice(&self.planes);
        self.counts.written += 1;
        self.begun += 1;
    }

    fn leave_out(&mut self, rtp_timestamp: u32, bytes_missing: usize, packets: u32) {
        self.counts.incomplete += 1;
        if self.counts.left_out.len() < LISTED {
            self.counts.left_out.push(LeftOut {
                index: self.begun,
                rtp_timestamp,
                bytes_missing: bytes_missing as u64,
                packets: packets.into(),
            });
        }
        self.begun += 1;
    }
}
