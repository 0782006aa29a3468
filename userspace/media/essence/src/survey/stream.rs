//! The counts of one stream.

use onair_mutant::mutant;
use onair_net::bytes::u16_at;

use super::frame::CapturedPacket;
use super::raster::Raster;
use super::sequences::Sequences;
use super::steps::Steps;
use crate::ancillary::rfc8331::Payload;
use crate::ancillary::unit::Signalled;
use crate::jpeg_xs::PacketMode;
use crate::jpeg_xs::codestream::UnitHeader;
use crate::jpeg_xs::rfc9134::{HEADER_BYTES, PayloadHeader};
use crate::measure::Kinds;
use crate::rtp;
use crate::video::st2110_21::{Spacing, Summary, UnitPackets};

/// Packets that have the header of an essence.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Formats {
    pub(super) ancillary: u64,
    /// Of these, of second fields.
    pub(super) ancillary_fields: u64,
    pub(super) timed_text: u64,
}

/// The counts of one stream: all packets with its addresses and SSRC.
#[derive(Debug, Clone, Default)]
pub struct Survey {
    packets: u64,
    bytes: u64,
    first_ns: u64,
    last_ns: u64,
    back: u64,
    markers: u64,
    payload_types: Kinds<u8>,
    after_marker: bool,
    last_timestamp: Option<u32>,
    last_sequence: Option<u16>,
    sequences: Sequences,
    units: UnitPackets,
    steps: Steps,
    spacing: Spacing,
    sizes: Summary,
    pub(super) payload_bytes: Kinds<u64>,
    raster: Raster,
    formats: Formats,
    codestreams: Codestreams,
}

impl Survey {
    /// Adds a packet that was captured at `at_ns`.
    pub fn packet(&mut self, at_ns: u64, packet: &CapturedPacket<'_>) {
        let rtp = packet.rtp;
        if self.packets == 0 {
            self.first_ns = at_ns;
        }
        self.back += u64::from(at_ns < self.last_ns);
        self.last_ns = self.last_ns.max(at_ns);
        self.packets += 1;
        self.bytes += packet.payload_bytes as u64;
        self.markers += u64::from(rtp.marker);
        self.payload_types.add(rtp.payload_type);
        self.spacing.packet(at_ns, rtp.marker);
        let size = i64::try_from(packet.payload_bytes).unwrap_or(i64::MAX);
        self.sizes.add(size);
        self.payload_bytes.add(packet.payload_bytes as u64);
        self.format(packet);
        let payload = (packet.payload, packet.payload_bytes);
        let after = self.after_last(rtp.sequence);
        let is_next = after == Some(1);
        self.raster.add(payload, rtp.timestamp, is_next);
        self.codestreams.add(payload, rtp.timestamp, after);
        if after.is_some() {
            self.units.packet(rtp.sequence, rtp.marker);
            match self.after_marker || self.last_timestamp != Some(rtp.timestamp) {
                true if is_next || mutant!("survey: what is missing has a step") => {
                    self.steps.add(rtp.timestamp, at_ns);
                }
                // What is missing between says nothing of the stream's own steps.
                true => {
                    self.steps.skip_to(rtp.timestamp, at_ns);
                }
                false => {}
            }
            self.last_timestamp = Some(rtp.timestamp);
            self.after_marker = rtp.marker;
        }
    }

    /// How many sequence numbers a packet is after the one that came before it: 1 if none is between, negative if it is
    /// late. `None`: it is a copy.
    fn after_last(&mut self, sequence: u16) -> Option<i16> {
        if !self.sequences.packet(sequence) {
            return None;
        }
        let last = self.last_sequence.replace(sequence);
        Some(last.map_or(1, |last| sequence.wrapping_sub(last).cast_signed()))
    }

    /// Counts the packet to each essence whose header it has.
    fn format(&mut self, packet: &CapturedPacket<'_>) {
        let (payload, bytes) = (packet.payload, packet.payload_bytes);
        self.ancillary(packet);
        // RFC 8759 §4.1: zeros, the length, and a document.
        let zeros = u16_at(payload, 0);
        let text = u16_at(payload, 2).map_or(0, usize::from);
        let starts = payload.get(4..).and_then(|it| it.first());
        let is_character =
            |it: &u8| it.is_ascii() && (!it.is_ascii_control() || it.is_ascii_whitespace());
        let is_text = zeros == Some(0) && text + 4 == bytes && starts.is_some_and(is_character);
        self.formats.timed_text += u64::from(is_text);
    }

    /// A payload without ANC packets and of zeros, with no marker, may also be silence.
    fn ancillary(&mut self, packet: &CapturedPacket<'_>) {
        let (payload, bytes) = (packet.payload, packet.payload_bytes);
        let (is_its, field) = if payload.len() < bytes {
            let field = Payload::field_of_start(payload, bytes);
            (field.is_some(), field)
        } else if let Ok((it, field)) = Payload::of_any_field(payload) {
            let is_end = || packet.rtp.marker && it.behind.iter().all(|byte| *byte == 0);
            (it.packets > 0 || it.behind.is_empty() || is_end(), field)
        } else {
            // Its count, or its ANC packets, contradict its length.
            let field = Payload::field_of_start(payload, bytes);
            (field.is_some(), field)
        };
        let is_second = is_its && field == Some(Signalled::Second);
        self.formats.ancillary += u64::from(is_its);
        self.formats.ancillary_fields += u64::from(is_second);
    }

    pub(super) const fn formats(&self) -> Formats {
        self.formats
    }

    pub(super) const fn codestreams(&self) -> &Codestreams {
        &self.codestreams
    }

    /// Packets, copies included.
    #[must_use]
    pub const fn packets(&self) -> u64 {
        self.packets
    }

    /// Bytes of RTP payload.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Time of the first packet.
    #[must_use]
    pub const fn first_ns(&self) -> u64 {
        self.first_ns
    }

    /// Latest time.
    #[must_use]
    pub const fn last_ns(&self) -> u64 {
        self.last_ns
    }

    /// Packets with an earlier time than one before them.
    #[must_use]
    pub const fn back(&self) -> u64 {
        self.back
    }

    /// Packets with a marker.
    #[must_use]
    pub const fn markers(&self) -> u64 {
        self.markers
    }

    /// RTP payload type of most packets.
    #[must_use]
    pub fn payload_type(&self) -> Option<u8> {
        self.payload_types.usual().map(|it| *it.0)
    }

    /// Packets of another payload type.
    #[must_use]
    pub fn other_types(&self) -> u64 {
        self.packets - self.payload_types.usual().map_or(0, |it| it.1)
    }

    /// Lost, doubled and late packets.
    #[must_use]
    pub const fn sequences(&self) -> &Sequences {
        &self.sequences
    }

    /// Packets from marker to marker.
    #[must_use]
    pub const fn units(&self) -> &UnitPackets {
        &self.units
    }

    /// Steps of the timestamps, from unit to unit, where no packet is missing; from packet to packet without markers.
    #[must_use]
    pub const fn steps(&self) -> &Steps {
        &self.steps
    }

    /// Times between packets.
    #[must_use]
    pub const fn spacing(&self) -> &Spacing {
        &self.spacing
    }

    /// Bytes of the payloads.
    #[must_use]
    pub const fn sizes(&self) -> &Summary {
        &self.sizes
    }

    /// Bytes of the largest UDP datagram without extensions.
    pub(super) fn largest_udp(&self) -> Option<u16> {
        let headers = i64::try_from(onair_net::udp::HEADER_BYTES + rtp::HEADER_BYTES).ok()?;
        u16::try_from(self.sizes.max()? + headers).ok()
    }

    /// Packets of second fields or segments, if it is video.
    #[must_use]
    pub const fn second_field_packets(&self) -> u64 {
        self.raster.second_field
    }

    /// The raster, if it is video.
    #[must_use]
    pub const fn raster(&self) -> &Raster {
        &self.raster
    }
}

/// State of a stream's packets, in case it is JPEG XS.
#[derive(Debug, Clone, Default)]
pub(super) struct Codestreams {
    /// How units are sent, and their headers without what is of one unit.
    pub(super) headers: Kinds<(PacketMode, bool, UnitHeader)>,
    /// Packets of fields.
    pub(super) of_fields: u64,
    /// Packets whose counters agree with those of the packets before them.
    pub(super) agreeing: u64,
    /// Of these, packets that count on in a unit.
    pub(super) counting: u64,
    /// The packet before, and its timestamp.
    last: Option<(u32, PayloadHeader)>,
    /// The newest unit: what its packets have in common, and their bytes.
    unit: Option<(u32, Signalled)>,
    of_unit: u64,
    /// Bytes of the units before it, and the most of one.
    pub(super) bytes: Kinds<u64>,
    pub(super) most: u64,
}

impl Codestreams {
    /// Adds a payload that came so many sequence numbers after the one before; `None`: it is a copy. `payload_bytes` are its
    /// bytes on the wire.
    pub(super) fn add(
        &mut self,
        (payload, payload_bytes): (&[u8], usize),
        timestamp: u32,
        after: Option<i16>,
    ) {
        let Ok((header, data)) = PayloadHeader::parse(payload) else {
            return;
        };
        let Some(after) = after else {
            self.agreeing += 1;
            return;
        };
        self.of_fields += u64::from(header.field != Signalled::Frame);
        self.count((timestamp, header), after);
        let unit = (timestamp, header.field);
        if self.unit != Some(unit) {
            // Of the one before.
            if after < 0 {
                return;
            }
            if self.unit.replace(unit).is_some() {
                self.bytes.add(self.of_unit);
            }
            self.of_unit = 0;
        }
        self.of_unit += payload_bytes.saturating_sub(HEADER_BYTES) as u64;
        self.most = self.most.max(self.of_unit);
        if header.place() == 0
            && let Ok(mut unit) = UnitHeader::parse(data)
        {
            (unit.boxes, unit.codestream_bytes) = Default::default();
            self.headers.add((header.mode, header.in_order, unit));
        }
    }

    /// P goes on as sequence numbers do, also where packets are missing (RFC 9134 §4.3). Of the packets of another unit or
    /// slice as many at most can have come before.
    fn count(&mut self, (timestamp, header): (u32, PayloadHeader), after: i16) {
        let Some((before, last)) = self.last.replace((timestamp, header)) else {
            self.agreeing += 1;
            return;
        };
        let is_of_unit = (before, last.field) == (timestamp, header.field)
            && (header.mode == PacketMode::Codestream || last.separator == header.separator);
        let next = last.packet.wrapping_add_signed(after) & 0x7ff;
        let agrees = match is_of_unit {
            true => next == header.packet,
            false => u16::try_from(after).map_or(true, |after| header.packet < after),
        };
        self.agreeing += u64::from(agrees);
        self.counting += u64::from(agrees && is_of_unit);
    }
}
