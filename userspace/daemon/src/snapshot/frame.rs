//! The next complete frame of a flow.

use std::time::Instant;

use onair_essence::receive::{Sink, UnitReport};
use onair_essence::video::assembly::{Assembler, AssemblerConfig};
use onair_essence::video::{Field, VideoFormat};
use onair_net::datagram::Datagram;
use onair_net::ethernet::{ETHERTYPE_IPV4, EthernetHeader};
use onair_record::PacketReader;

use super::picture::{self, NoPicture};

/// Frames in memory at a time: two in assembly, and a first field.
const FRAMES: usize = 3;

/// The pixel groups of the next complete frame, of interlaced video both fields of one.
pub(super) fn next(
    mut packets: PacketReader,
    config: AssemblerConfig,
    until: Instant,
) -> Result<Vec<u8>, NoPicture> {
    let mut assembler = Assembler::new(config);
    let mut frames = Frames::new(config.format);
    let mut seen = 0_u64;
    loop {
        // Asked first: what a producer offered before it went is read below.
        let is_last = packets.is_abandoned();
        let any = packets.read(|at_ns, bytes| {
            seen += 1;
            if let Some(rtp) = rtp(bytes)
                && frames.whole.is_none()
            {
                assembler.packet(rtp, at_ns, &mut frames);
            }
        });
        if let Some(frame) = frames.whole.take() {
            return Ok(frame);
        }
        match (any, is_last) {
            (false, true) => return Err(NoPicture::Ended),
            _ if Instant::now() >= until => {
                return Err(NoPicture::Late {
                    packets: seen,
                    incomplete: frames.incomplete,
                });
            }
            (false, false) => packets.rest(),
            (true, _) => {}
        }
    }
}

/// The RTP packet in an Ethernet frame.
fn rtp(bytes: &[u8]) -> Option<&[u8]> {
    let (ethernet, packet) = EthernetHeader::parse(bytes).ok()?;
    if ethernet.ethertype != ETHERTYPE_IPV4 {
        return None;
    }
    Some(Datagram::parse(packet).ok()?.payload)
}

/// Memory of frames, and the first whole one.
pub(super) struct Frames {
    format: VideoFormat,
    slots: Vec<Vec<u8>>,
    free: Vec<usize>,
    /// Interlaced: the last complete first field, with its RTP timestamp.
    first: Option<(u32, usize)>,
    pub(super) whole: Option<Vec<u8>>,
    incomplete: u64,
}

impl Frames {
    pub(super) fn new(format: VideoFormat) -> Self {
        Self {
            format,
            slots: Vec::new(),
            free: Vec::new(),
            first: None,
            whole: None,
            incomplete: 0,
        }
    }

    fn are_of_one_frame(&self, first: u32, second: u32) -> bool {
        onair_pixels::are_of_one_frame(self.format.rate(), first, second)
    }

    fn complete(&mut self, slot: usize, report: &UnitReport) {
        match (Field::of_tag(report.tag), self.first.take()) {
            (None, _) => self.whole = Some(std::mem::take(&mut self.slots[slot])),
            (Some(Field::First), before) => {
                self.free.extend(before.map(|(_, slot)| slot));
                self.first = Some((report.rtp_timestamp, slot));
            }
            (Some(Field::Second), Some((at, first)))
                if self.are_of_one_frame(at, report.rtp_timestamp) =>
            {
                self.whole = picture::woven(&self.format, &self.slots[first], &self.slots[slot]);
                self.free.extend([first, slot]);
            }
            (Some(Field::Second), before) => {
                self.free.extend(before.map(|(_, slot)| slot));
                self.free.push(slot);
            }
        }
    }
}

impl Sink for Frames {
    type Slot = usize;

    fn open(&mut self, _: u32) -> Option<usize> {
        if let Some(slot) = self.free.pop() {
            return Some(slot);
        }
        if self.slots.len() == FRAMES {
            return None;
        }
        self.slots.push(vec![0; self.format.frame_bytes()]);
        Some(self.slots.len() - 1)
    }

    fn write(&mut self, slot: usize, offset: usize, bytes: &[u8]) {
        // The memory of a whole frame was taken out.
        if let Some(place) = self.slots[slot].get_mut(offset..offset + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }

    fn finish(&mut self, slot: usize, report: &UnitReport) {
        if self.whole.is_some() {
            return;
        }
        if report.complete {
            self.complete(slot, report);
        } else {
            self.incomplete += 1;
            self.free.push(slot);
        }
    }
}
