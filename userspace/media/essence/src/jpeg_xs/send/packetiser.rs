//! Makes RTP packets of units.

use std::ops::Range;

use super::JpegXsNotSendable;
use crate::ancillary::unit::Signalled;
use crate::jpeg_xs::codestream::SLICE;
use crate::jpeg_xs::rfc9134::{self, PayloadHeader};
use crate::jpeg_xs::{JpegXsStream, PacketMode};
use crate::rtp::{self, RtpHeader};
use crate::send::{PacketPlan, Packetise, StreamHeader};
use crate::video::pacing::Pacer;
use crate::video::st2110_21::Declared;
use crate::video::{Field, FrameRate, tag};

/// Headers of a packet.
const OVERHEAD: usize = rtp::HEADER_BYTES + rfc9134::HEADER_BYTES;
/// Fewest bytes of a packet behind its headers.
const LEAST: usize = 128;
/// Bytes that are read at once.
const CHUNK_BYTES: usize = 1 << 14;
/// Bytes of a slice header: marker, length, number.
const HEADER_BYTES: usize = 6;
/// Most slices: SEP has 11 bits, and one value of them is the header's.
const MOST: usize = 2_047;

/// A part of a unit that has packets of its own: the whole unit, its headers, or a slice.
#[derive(Debug, Clone, Copy)]
struct Piece {
    /// `None`: the whole unit, or its headers.
    slice: Option<u16>,
    start: usize,
    end: usize,
    /// Packets of the pieces before it.
    packets: u32,
}

/// Makes the packets of units, each full but the last of a piece, and spreads them evenly over the unit's time. Its slots
/// are frames, or fields of interlaced video.
#[derive(Debug)]
pub struct CodestreamPacketiser {
    stream: JpegXsStream,
    declared: Declared,
    rate: FrameRate,
    /// Bytes of a packet behind its headers.
    most: usize,
    slices: Slices,
    pieces: Vec<Piece>,
    packets: u32,
    pacer: Pacer,
    /// Number of the frame.
    frame: u8,
}

impl CodestreamPacketiser {
    /// For RTP packets of at most `max_bytes` bytes.
    ///
    /// # Errors
    /// [`JpegXsNotSendable`].
    pub fn new(stream: &JpegXsStream, max_bytes: usize) -> Result<Self, JpegXsNotSendable> {
        let least = OVERHEAD + LEAST;
        if max_bytes < least {
            let given = max_bytes;
            return Err(JpegXsNotSendable::Packets { given, least });
        }
        if !stream.in_order {
            return Err(JpegXsNotSendable::OutOfOrder);
        }
        let declared = Declared {
            sender: stream.sender_type,
            offset_ns: None,
            max_udp: None,
            cmax: stream.cmax,
        };
        let slices = Slices::new();
        let mut packetiser = Self {
            rate: stream.unit_rate(),
            most: max_bytes - OVERHEAD,
            pieces: Vec::with_capacity(match stream.mode {
                PacketMode::Codestream => 1,
                PacketMode::Slice => 2_048,
            }),
            packets: 0,
            pacer: Pacer::linear(stream.unit_rate(), 1, &declared),
            // The first unit has number 0.
            frame: u8::MAX,
            stream: stream.clone(),
            declared,
            slices,
        };
        packetiser.divide();
        let most = packetiser.pacer.cmax_of_type();
        match stream.cmax {
            Some(given) if u64::from(given) > most => Err(JpegXsNotSendable::Cmax {
                given,
                most,
                sender: stream.sender_type.unwrap_or_default(),
            }),
            _ => Ok(packetiser),
        }
    }

    /// Divides the unit into pieces.
    fn divide(&mut self) {
        let bytes = self.stream.bytes as usize;
        let before = self.packets;
        self.pieces.clear();
        self.packets = 0;
        let starts = self.slices.starts();
        let ends = starts.iter().copied().chain([bytes]);
        let of_slice = |at: usize| at.checked_sub(1).and_then(|it| u16::try_from(it).ok());
        let mut start = 0;
        for (at, end) in ends.enumerate() {
            if end > start {
                self.pieces.push(Piece {
                    slice: of_slice(at),
                    start,
                    end,
                    packets: self.packets,
                });
                let packets = u32::try_from((end - start).div_ceil(self.most));
                self.packets += packets.expect("at most MAX_UNIT_BYTES");
            }
            start = end;
        }
        if self.packets != before {
            self.pacer = Pacer::linear(self.rate, self.packets, &self.declared);
        }
    }
}

impl Packetise for CodestreamPacketiser {
    type Packet<'a> = CodestreamPacket;

    fn begin(&mut self, tag: u32, read: impl FnMut(usize, &mut [u8])) {
        // Both fields of a frame have its number.
        if tag != tag::SECOND_FIELD {
            self.frame = self.frame.wrapping_add(1);
        }
        if self.stream.mode == PacketMode::Slice {
            self.slices.read(self.stream.bytes as usize, read);
            self.divide();
        }
    }

    /// A field goes in a slot of its own parity only.
    fn tag_of_slot(&self, slot: u64) -> u32 {
        Field::tag(self.stream.field_of(slot))
    }

    /// Fields alternate, and begin with a first one.
    fn tag_of_unit(&self, number: u64) -> u32 {
        Field::tag(self.stream.field_of(number))
    }

    fn packets(&self, _tag: u32) -> u32 {
        self.packets
    }

    fn packet(&self, tag: u32, index: u32) -> Option<CodestreamPacket> {
        if index >= self.packets {
            return None;
        }
        let behind = self.pieces.partition_point(|it| it.packets <= index);
        let piece = self.pieces.get(behind.checked_sub(1)?)?;
        let within = index - piece.packets;
        let start = piece.start + within as usize * self.most;
        let end = piece.end.min(start + self.most);
        let mode = self.stream.mode;
        let (separator, packet) = PayloadHeader::counters(mode, piece.slice, within);
        let header = PayloadHeader {
            in_order: true,
            mode,
            last: end == piece.end,
            field: Signalled::of_tag(tag),
            frame: self.frame,
            separator,
            packet,
        };
        Some(CodestreamPacket {
            header,
            marker: end == self.stream.bytes as usize,
            range: (start, end),
        })
    }

    fn timestamp(&self, slot: u64) -> u32 {
        let [.., a, b, c, d] = self.rate.ticks(slot).to_be_bytes();
        u32::from_be_bytes([a, b, c, d])
    }

    fn slot_start(&self, slot: u64) -> u64 {
        self.pacer.schedule().frame_start(slot)
    }

    fn slot_at(&self, tai_ns: u64) -> u64 {
        self.pacer.schedule().frame_at(tai_ns)
    }

    fn ready(&self, slot: u64, next: u32, now_ns: u64, ahead_ns: u64) -> u32 {
        self.pacer.ready(slot, next, now_ns, ahead_ns)
    }

    fn sent(&mut self, packets: u32, now_ns: u64) {
        self.pacer.sent(packets, now_ns);
    }

    fn next_ns(&self, slot: u64, next: u32, ahead_ns: u64) -> u64 {
        self.pacer.next_ns(slot, next, ahead_ns)
    }

    fn is_over(&self, slot: u64, next: u32, now_ns: u64, ahead_ns: u64) -> bool {
        self.pacer.is_over(slot, next, now_ns, ahead_ns)
    }

    /// Bytes.
    fn steps(&self, _tag: u32) -> u32 {
        self.stream.bytes
    }

    fn needs(&self, tag: u32, index: u32) -> u32 {
        let packet = self.packet(tag, index).filter(|_| !self.reads_first());
        let end = packet.and_then(|it| u32::try_from(it.range.1).ok());
        end.unwrap_or(self.stream.bytes)
    }

    /// The slices of a unit decide about its packets.
    fn reads_first(&self) -> bool {
        self.stream.mode == PacketMode::Slice
    }
}

/// One packet of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodestreamPacket {
    header: PayloadHeader,
    marker: bool,
    range: (usize, usize),
}

impl PacketPlan for CodestreamPacket {
    fn bytes(&self) -> usize {
        OVERHEAD + self.range.1 - self.range.0
    }

    fn write_headers(&self, stream: &StreamHeader, sequence: u32, out: &mut [u8]) -> usize {
        let [.., a, b] = sequence.to_be_bytes();
        let rtp = RtpHeader {
            marker: self.marker,
            payload_type: stream.payload_type,
            sequence: u16::from_be_bytes([a, b]),
            timestamp: stream.timestamp,
            ssrc: stream.ssrc,
        };
        let (head, rest) = out.split_at_mut(rtp::HEADER_BYTES);
        head.copy_from_slice(&rtp.to_bytes());
        rest[..rfc9134::HEADER_BYTES].copy_from_slice(&self.header.to_bytes());
        OVERHEAD
    }

    fn for_each_range(&self, mut visit: impl FnMut(Range<usize>)) {
        visit(self.range.0..self.range.1);
    }
}

/// Finds slices. Its memory is used again.
#[derive(Debug)]
pub(super) struct Slices {
    starts: Vec<usize>,
    chunk: Box<[u8]>,
}

impl Slices {
    pub(super) fn new() -> Self {
        Self {
            starts: Vec::with_capacity(MOST),
            chunk: vec![0; CHUNK_BYTES].into_boxed_slice(),
        }
    }

    /// Reads a unit of so many bytes. Coded data may look like a marker: only the header with the next number counts.
    pub(super) fn read(&mut self, bytes: usize, mut read: impl FnMut(usize, &mut [u8])) {
        self.starts.clear();
        let mut wanted = header(0);
        let mut at = 0;
        while at + HEADER_BYTES <= bytes && self.starts.len() < MOST {
            let len = CHUNK_BYTES.min(bytes - at);
            let chunk = &mut self.chunk[..len];
            read(at, chunk);
            for (place, window) in chunk.windows(HEADER_BYTES).enumerate() {
                if *window == wanted && self.starts.len() < MOST {
                    self.starts.push(at + place);
                    wanted = header(self.starts.len());
                }
            }
            at += len - (HEADER_BYTES - 1);
            if at + HEADER_BYTES > bytes {
                break;
            }
        }
    }

    /// Where each slice begins.
    pub(super) fn starts(&self) -> &[usize] {
        &self.starts
    }
}

/// The header of a slice.
fn header(number: usize) -> [u8; HEADER_BYTES] {
    let [a, b] = SLICE.to_be_bytes();
    let number = u16::try_from(number).expect("at most MOST");
    let [c, d] = number.to_be_bytes();
    [a, b, 0, 4, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_at_the_edges_of_chunks_then_each_is_found_once() {
        let mut slices = Slices::new();
        let mut unit = vec![0; 3 * CHUNK_BYTES];
        let places = [
            0,
            100,
            CHUNK_BYTES - 3,
            2 * CHUNK_BYTES - 11,
            3 * CHUNK_BYTES - 6,
        ];
        for (number, place) in places.into_iter().enumerate() {
            unit[place..place + 6].copy_from_slice(&header(number));
        }
        // A number that is not the next one.
        unit[500..506].copy_from_slice(&header(9));
        slices.read(unit.len(), |at, out| {
            out.copy_from_slice(&unit[at..at + out.len()])
        });
        assert_eq!(slices.starts(), places);
        slices.read(5, |_, _| panic!("nothing fits"));
        assert!(slices.starts().is_empty());
    }
}
