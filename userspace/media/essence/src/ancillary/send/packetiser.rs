//! Makes RTP packets of units.

use std::ops::Range;

use crate::STANDARD_MAX_UDP;
use crate::ancillary::rfc8331::{self, HEADER_BYTES, wire_bytes};
use crate::ancillary::stream::AncillaryStream;
use crate::ancillary::unit::{HEAD_BYTES, MOST_WORDS, RECORD_BYTES, Signalled, UNIT_BYTES, Unit};
use crate::rtp::{self, RtpHeader};
use crate::send::{PacketPlan, Packetise, StreamHeader};
use crate::video::FrameRate;

use super::AncillaryNotSendable;

/// RTP packet with the largest ANC packet.
const LEAST_BYTES: usize = rtp::HEADER_BYTES + HEADER_BYTES + wire_bytes(MOST_WORDS);
/// Most RTP packets of a unit: one for each of the smallest ANC packets.
const MOST_PACKETS: usize = (UNIT_BYTES - HEAD_BYTES) / RECORD_BYTES;

/// Makes the packets of the unit that is sent. Its slots are frames, or fields of interlaced video. All packets of a unit
/// are due at its time: none comes before its line by more than a frame, or after it, as both transmission models
/// want (ST 2110-40 §6).
#[derive(Debug)]
pub struct AncillaryPacketiser {
    stream: AncillaryStream,
    rate: FrameRate,
    offset_ns: u64,
    /// Bytes of a payload.
    most: usize,
    unit: Box<[u8]>,
    /// Payloads of the unit, one behind the other.
    payloads: Vec<u8>,
    /// End of each payload.
    ends: Vec<usize>,
}

impl AncillaryPacketiser {
    /// For RTP packets of at most `max_bytes` bytes.
    ///
    /// # Errors
    /// [`AncillaryNotSendable`].
    pub fn new(stream: &AncillaryStream, max_bytes: usize) -> Result<Self, AncillaryNotSendable> {
        if max_bytes < LEAST_BYTES {
            return Err(AncillaryNotSendable {
                given: max_bytes,
                least: LEAST_BYTES,
            });
        }
        let mut packetiser = Self {
            rate: stream.unit_rate(),
            offset_ns: u64::from(stream.tr_offset_us.unwrap_or(0)) * 1000,
            most: max_bytes.min(STANDARD_MAX_UDP.into()) - rtp::HEADER_BYTES,
            stream: stream.clone(),
            unit: vec![0; UNIT_BYTES].into_boxed_slice(),
            payloads: Vec::with_capacity(UNIT_BYTES + MOST_PACKETS * HEADER_BYTES),
            ends: Vec::with_capacity(MOST_PACKETS),
        };
        packetiser.packetise(0, HEAD_BYTES);
        Ok(packetiser)
    }

    /// Makes the payloads of the unit in the first `bytes` bytes of its memory. Of what is no unit, there is one payload
    /// without ANC packets.
    fn packetise(&mut self, tag: u32, bytes: usize) {
        let Self {
            most,
            unit,
            payloads,
            ends,
            ..
        } = self;
        payloads.clear();
        ends.clear();
        let field = Signalled::of_tag(tag);
        rfc8331::begin(field, payloads);
        let mut start = 0;
        for packet in Unit::parse(&unit[..bytes]).iter().flatten() {
            if !rfc8331::push(&packet, start, *most, payloads) {
                ends.push(payloads.len());
                start = payloads.len();
                rfc8331::begin(field, payloads);
                // Any packet fits an empty payload: `LEAST_BYTES`.
                rfc8331::push(&packet, start, *most, payloads);
            }
        }
        ends.push(payloads.len());
    }

    fn range(&self, index: u32) -> Option<Range<usize>> {
        let index = usize::try_from(index).ok()?;
        let end = *self.ends.get(index)?;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(start..end)
    }
}

impl Packetise for AncillaryPacketiser {
    type Packet<'a> = AncillaryPacket<'a>;

    /// Each frame and field has a packet at least (ST 2110-40 §5.4).
    fn fills_slots(&self) -> bool {
        true
    }

    fn begin(&mut self, tag: u32, mut read: impl FnMut(usize, &mut [u8])) {
        let (head, rest) = self.unit.split_at_mut(HEAD_BYTES);
        read(0, head);
        let bytes = head.first_chunk().and_then(|it| Unit::length(it).ok());
        let bytes = bytes.unwrap_or(HEAD_BYTES);
        read(HEAD_BYTES, &mut rest[..bytes - HEAD_BYTES]);
        self.packetise(tag, bytes);
    }

    fn tag_of_slot(&self, slot: u64) -> u32 {
        self.stream.tag_of(slot)
    }

    fn tag_of_unit(&self, number: u64) -> u32 {
        self.stream.tag_of(number)
    }

    fn packets(&self, _tag: u32) -> u32 {
        u32::try_from(self.ends.len()).expect("at most MOST_PACKETS")
    }

    fn packet(&self, _tag: u32, index: u32) -> Option<AncillaryPacket<'_>> {
        let range = self.range(index)?;
        Some(AncillaryPacket {
            marker: range.end == self.payloads.len(),
            payload: &self.payloads[range],
        })
    }

    fn timestamp(&self, slot: u64) -> u32 {
        let [.., a, b, c, d] = self.rate.ticks(slot).to_be_bytes();
        u32::from_be_bytes([a, b, c, d])
    }

    fn slot_start(&self, slot: u64) -> u64 {
        self.rate.nanos(slot).saturating_add(self.offset_ns)
    }

    fn slot_at(&self, tai_ns: u64) -> u64 {
        self.rate.frame_at(tai_ns.saturating_sub(self.offset_ns))
    }

    fn ready(&self, slot: u64, next: u32, now_ns: u64, ahead_ns: u64) -> u32 {
        let is_due = now_ns.saturating_add(ahead_ns) >= self.slot_start(slot);
        if is_due { self.packets(0) } else { next }
    }

    fn sent(&mut self, _packets: u32, _now_ns: u64) {}

    fn next_ns(&self, slot: u64, _next: u32, ahead_ns: u64) -> u64 {
        self.slot_start(slot).saturating_sub(ahead_ns)
    }

    /// Bytes. The packets depend on all of them.
    fn steps(&self, _tag: u32) -> u32 {
        u32::try_from(UNIT_BYTES).expect("2^16")
    }

    fn needs(&self, tag: u32, _index: u32) -> u32 {
        self.steps(tag)
    }

    fn reads_first(&self) -> bool {
        true
    }
}

/// An RTP packet with ANC packets.
#[derive(Debug, Clone, Copy)]
pub struct AncillaryPacket<'a> {
    marker: bool,
    payload: &'a [u8],
}

impl PacketPlan for AncillaryPacket<'_> {
    fn bytes(&self) -> usize {
        rtp::HEADER_BYTES + self.payload.len()
    }

    /// Writes the whole packet: its contents are no range of the unit.
    fn write_headers(&self, stream: &StreamHeader, sequence: u32, out: &mut [u8]) -> usize {
        let [a, b, c, d] = sequence.to_be_bytes();
        let header = RtpHeader {
            marker: self.marker,
            payload_type: stream.payload_type,
            sequence: u16::from_be_bytes([c, d]),
            timestamp: stream.timestamp,
            ssrc: stream.ssrc,
        };
        let (head, rest) = out.split_at_mut(rtp::HEADER_BYTES);
        head.copy_from_slice(&header.to_bytes());
        rest[..self.payload.len()].copy_from_slice(self.payload);
        rest[..2].copy_from_slice(&[a, b]);
        self.bytes()
    }

    fn for_each_range(&self, _visit: impl FnMut(Range<usize>)) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ancillary::AncillaryDocument;
    use crate::essence::Essence as _;

    fn packetiser(fields: serde_json::Value) -> AncillaryPacketiser {
        let document: AncillaryDocument = serde_json::from_value(fields).unwrap();
        let stream = AncillaryStream::check(&document).unwrap();
        AncillaryPacketiser::new(&stream, 1452).unwrap()
    }

    #[test]
    fn fields_then_second_ones_half_a_frame_later_without_drift() {
        let packetiser =
            packetiser(serde_json::json!({"frame_rate": "30000/1001", "fields": true}));
        let ticks = [0, 1, 2, 3].map(|slot| packetiser.timestamp(slot));
        assert_eq!(ticks, [0, 1501, 3003, 4504]);
        assert_eq!(packetiser.timestamp(60_000), 1001 * 90_000);
        let tags = [0, 1].map(|slot| Signalled::of_tag(packetiser.tag_of_slot(slot)));
        assert_eq!(tags, [Signalled::First, Signalled::Second]);
    }

    #[test]
    fn unit_of_a_slot_then_due_at_its_time_with_the_offset() {
        let with =
            |us: u32| packetiser(serde_json::json!({"frame_rate": "25", "tr_offset_us": us}));
        for us in [0, 500] {
            let packetiser = with(us);
            let start = packetiser.slot_start(7);
            assert_eq!(start, 7 * 40_000_000 + u64::from(us) * 1000);
            assert_eq!([start - 1, start].map(|at| packetiser.slot_at(at)), [6, 7]);
            assert_eq!(packetiser.ready(7, 0, start - 1001, 1000), 0);
            assert_eq!(packetiser.ready(7, 0, start - 1000, 1000), 1);
            assert_eq!(packetiser.next_ns(7, 0, 1000), start - 1000);
        }
    }

    #[test]
    fn packets_smaller_than_an_anc_packet_then_refused() {
        let stream = packetiser(serde_json::json!({"frame_rate": "25"})).stream;
        assert!(AncillaryPacketiser::new(&stream, LEAST_BYTES).is_ok());
        let error = AncillaryPacketiser::new(&stream, LEAST_BYTES - 1).unwrap_err();
        assert_eq!((error.given, error.least), (LEAST_BYTES - 1, LEAST_BYTES));
    }
}
