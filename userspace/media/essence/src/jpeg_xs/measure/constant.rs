//! Whether each unit has as many bytes and packets as the first.

use crate::jpeg_xs::codestream::{Structure, UnitHeader};
use crate::jpeg_xs::rfc9134::{self, PayloadHeader};
use crate::jpeg_xs::{JpegXsStream, PacketMode};
use crate::rtp::RtpHeader;

/// Bytes and packets of a unit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) bytes: u64,
    pub(super) packets: u32,
}

/// The unit that arrives.
#[derive(Debug, Clone, Copy)]
struct Current {
    timestamp: u32,
    /// Sequence number of its last packet.
    sequence: u16,
    size: Size,
}

/// Counts the units of a source.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Constant {
    ssrc: Option<u32>,
    /// `None` if its start or a packet is missing.
    current: Option<Current>,
    /// The first whole unit.
    pub(super) usual: Option<Size>,
    /// Whole units.
    pub(super) units: u64,
    /// Of these, units of another size.
    pub(super) other_bytes: u64,
    pub(super) other_packets: u64,
    /// Units whose video information box contradicts the samples of the format.
    pub(super) other_boxes: u64,
}

impl Constant {
    /// Adds a packet. Returns whether a unit begins with it.
    pub(super) fn packet(
        &mut self,
        stream: &JpegXsStream,
        rtp: &RtpHeader,
        payload: &[u8],
    ) -> bool {
        if self.ssrc.replace(rtp.ssrc) != Some(rtp.ssrc) {
            (self.current, self.usual) = (None, None);
        }
        let Ok((header, data)) = PayloadHeader::parse(payload) else {
            self.current = None;
            return false;
        };
        let begins = header.place() == 0;
        if begins {
            self.boxes(stream, data);
            self.current = Some(Current {
                timestamp: rtp.timestamp,
                sequence: rtp.sequence.wrapping_sub(1),
                size: Size::default(),
            });
        }
        let follows = |it: &&mut Current| {
            it.timestamp == rtp.timestamp && it.sequence.wrapping_add(1) == rtp.sequence
        };
        // Out of order, slices say nothing of the start of a unit.
        let is_counted = header.in_order || header.mode == PacketMode::Codestream;
        match self.current.as_mut().filter(follows).filter(|_| is_counted) {
            None => self.current = None,
            Some(current) => {
                current.sequence = rtp.sequence;
                current.size.bytes += (payload.len() - rfc9134::HEADER_BYTES) as u64;
                current.size.packets += 1;
                if header.ends(rtp.marker) {
                    let size = current.size;
                    self.current = None;
                    self.unit(size);
                }
            }
        }
        begins
    }

    fn unit(&mut self, size: Size) {
        let usual = *self.usual.get_or_insert(size);
        self.units += 1;
        self.other_bytes += u64::from(size.bytes != usual.bytes);
        self.other_packets += u64::from(size.packets != usual.packets);
    }

    fn boxes(&mut self, stream: &JpegXsStream, data: &[u8]) {
        let Ok(header) = UnitHeader::parse(data) else {
            return;
        };
        let (depth, structure) = (stream.depth.bits(), Structure::of(stream.sampling));
        let is_other = |it: crate::jpeg_xs::codestream::BoxSamples| !it.is(depth, structure);
        self.other_boxes += u64::from(header.boxes.samples.is_some_and(is_other));
    }
}
