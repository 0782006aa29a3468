//! Trains: packets of one frame in the order of their numbers, as nearly all come. Their headers are read in one
//! pass and their bytes copied in another; what they change of the frame and the counters is written once.

use std::ops::Range;

use arrayvec::ArrayVec;

use crate::receive::{Sink, write_behind};
use crate::rtp::{HEADER_BYTES, PLAIN, RtpHeader};
use crate::sequence::nearest;
use crate::video::st2110_20::{MAX_READ_SRDS, Segments};
use crate::video::{Pgroups, Scan};

use super::assembler::{Assembler, PAYLOADS_AHEAD};

/// Most packets of a train: a burst of the dataplane.
const MOST: usize = 32;

impl<S: Copy> Assembler<S> {
    /// Handles the train that begins `packets`, exactly as [`Self::packet`] handles one packet after the other.
    /// Returns its packets; 0 if it has none.
    #[inline]
    pub(super) fn train(
        &mut self,
        packets: &[&[u8]],
        now_ns: u64,
        sink: &mut impl Sink<Slot = S>,
    ) -> usize {
        let Some((place, slot, number)) = self.continues(packets) else {
            return 0;
        };
        let format = self.config.format;
        let frame = &mut self.frames[place];
        let mut pieces = ArrayVec::<_, { MOST + MAX_READ_SRDS }>::new();
        let (mut count, mut bytes, mut field) = (0, 0, None);
        let mut comes_again = false;
        let mut row = Pgroups {
            first: 0,
            pgroups: 0,
        };
        for (at, packet) in (0..).zip(packets.iter().take(MOST)) {
            let Some(segments) = payload_after(packets[0], at, packet)
                .and_then(|payload| Segments::parse(payload, &format).ok())
            else {
                break;
            };
            // Checked before anything of the packet is noted: it is in the train as a whole, or handled alone.
            let of = segments.field();
            let fits = of == frame.field || format.scan() == Scan::Psf;
            let has_room = pieces.remaining_capacity() >= MAX_READ_SRDS;
            if !fits || !has_room || field.is_some_and(|it| it != of) {
                break;
            }
            let mut data = segments.bytes();
            let mut cut = |piece: Range<usize>| {
                let (bytes, rest) = data.split_at(piece.len());
                pieces.push((piece.start, bytes));
                data = rest;
            };
            // The next line begins where one ends: nearly always a packet is one piece.
            let mut piece = 0..0;
            for segment in segments {
                if segment.place.first == row.first + row.pgroups {
                    row.pgroups += segment.place.pgroups;
                } else {
                    comes_again |= frame.coverage.add(row) != row.pgroups;
                    row = segment.place;
                }
                if segment.offset != piece.end {
                    let before = std::mem::replace(&mut piece, segment.offset..segment.offset);
                    if !before.is_empty() {
                        cut(before);
                    }
                }
                piece.end += segment.bytes.len();
            }
            cut(piece);
            (count, field) = (count + 1, Some(of));
            bytes += packet.len() as u64;
        }
        let Some(field) = field else {
            return 0;
        };
        comes_again |= frame.coverage.add(row) != row.pgroups;
        frame.note_train(field, (number, count), now_ns);
        self.sequence.receive_next(count);
        self.last_fit_ns = now_ns;
        self.stats.packets += count as u64;
        self.stats.bytes += bytes;
        self.stats.accepted += count as u64;
        if comes_again && frame.told > 0 {
            for (offset, bytes) in &pieces {
                write_behind(frame.told, slot, (*offset, bytes), sink);
            }
            pieces.clear();
        }
        // Each place is fetched some pieces before its bytes are written, so that the write does not wait for
        // memory.
        for (offset, bytes) in pieces.iter().take(PAYLOADS_AHEAD) {
            sink.fetch(slot, *offset, bytes.len());
        }
        for (at, (offset, bytes)) in pieces.iter().enumerate() {
            if let Some((offset, bytes)) = pieces.get(at + PAYLOADS_AHEAD) {
                sink.fetch(slot, *offset, bytes.len());
            }
            sink.write(slot, *offset, bytes);
        }
        if sink.follows() {
            frame.tell(&format, sink);
        }
        count
    }

    /// If the first packet continues a frame that no packet without marker can end: its place, its memory and the
    /// packet's unwrapped number.
    #[inline]
    fn continues(&self, packets: &[&[u8]]) -> Option<(usize, S, u64)> {
        let (rtp, _) = RtpHeader::parse_start(packets.first()?).ok()?;
        if self.ssrc != Some(rtp.ssrc) || !self.payload_types.has(rtp.payload_type) {
            return None;
        }
        let place = self.find(rtp.timestamp)?;
        let frame = &self.frames[place];
        let number = nearest(frame.highest, rtp.sequence);
        let continues = self.sequence.are_next(number, MOST) && !frame.marker_seen();
        Some((place, frame.slot.filter(|_| continues)?, number))
    }
}

/// The payload of a packet without marker whose RTP header differs from that of `first` only in the sequence number,
/// by `steps`.
#[inline]
fn payload_after<'a>(first: &[u8], steps: u16, packet: &'a [u8]) -> Option<&'a [u8]> {
    let first: &[u8; HEADER_BYTES] = first.first_chunk()?;
    let (header, payload) = packet.split_first_chunk::<HEADER_BYTES>()?;
    let sequence = |it: &[u8; HEADER_BYTES]| u16::from_be_bytes([it[2], it[3]]);
    let is_after = header[0] == PLAIN
        && header[1] & 0x80 == 0
        && header[1] == first[1]
        && header[4..] == first[4..]
        && sequence(header) == sequence(first).wrapping_add(steps);
    is_after.then_some(payload)
}
