//! A block in assembly.

use crate::bits;
use crate::receive::{LISTED_RANGES, MissingRange, Sink, UnitReport};

/// Zeros, as many as are written at once.
const SILENCE: [u8; 4096] = [0; 4096];

/// A block: which of its packets came. The next block reuses its bitmap.
#[derive(Debug)]
pub(super) struct Block<S> {
    came: Box<[u64]>,
    packets: usize,
    pub(super) packet_bytes: usize,
    /// Number of its first packet.
    pub(super) first: u64,
    pub(super) timestamp: u32,
    /// `None`: there was no memory for the block.
    pub(super) slot: Option<S>,
    pub(super) received: u32,
    pub(super) duplicates: u32,
    pub(super) first_packet_ns: u64,
    pub(super) last_packet_ns: u64,
}

impl<S: Copy> Block<S> {
    pub(super) fn idle(packets: usize, packet_bytes: usize) -> Self {
        Self {
            came: vec![0; packets.div_ceil(64)].into(),
            packets,
            packet_bytes,
            first: 0,
            timestamp: 0,
            slot: None,
            received: 0,
            duplicates: 0,
            first_packet_ns: 0,
            last_packet_ns: 0,
        }
    }

    pub(super) fn begin(&mut self, first: u64, timestamp: u32, slot: Option<S>, now_ns: u64) {
        self.came.fill(0);
        (self.first, self.timestamp, self.slot) = (first, timestamp, slot);
        (self.received, self.duplicates) = (0, 0);
        (self.first_packet_ns, self.last_packet_ns) = (now_ns, now_ns);
    }

    /// Writes the samples of packet `at`, which came for the first time.
    #[inline]
    pub(super) fn fill(
        &mut self,
        at: usize,
        payload: &[u8],
        now_ns: u64,
        sink: &mut impl Sink<Slot = S>,
    ) {
        bits::set(&mut self.came, at..at + 1);
        self.received += 1;
        self.last_packet_ns = now_ns;
        if let Some(slot) = self.slot {
            sink.write(slot, at * self.packet_bytes, payload);
        }
    }

    #[inline]
    pub(super) const fn is_complete(&self) -> bool {
        self.received as usize == self.packets
    }

    /// Packets that did not come, as ranges.
    fn missing(&self) -> impl Iterator<Item = std::ops::Range<usize>> {
        let (came, packets) = (&self.came, self.packets);
        let mut at = 0;
        std::iter::from_fn(move || {
            let start = bits::find(came, at, packets, false)?;
            let end = bits::find(came, start, packets, true).unwrap_or(packets);
            at = end;
            Some(start..end)
        })
    }

    /// Writes silence where packets did not come, and finishes it.
    pub(super) fn finish(&self, slot: S, sink: &mut impl Sink<Slot = S>) -> UnitReport {
        let mut listed = [MissingRange::default(); LISTED_RANGES];
        let (mut count, mut bytes_missing) = (0, 0);
        for range in self.missing() {
            let (mut offset, mut len) = (
                range.start * self.packet_bytes,
                range.len() * self.packet_bytes,
            );
            bytes_missing += len;
            if let Some(place) = listed.get_mut(count) {
                *place = MissingRange { offset, len };
                count += 1;
            }
            while len > 0 {
                let part = len.min(SILENCE.len());
                sink.write(slot, offset, &SILENCE[..part]);
                offset += part;
                len -= part;
            }
        }
        let packets = u32::try_from(self.packets).unwrap_or(u32::MAX);
        let report = UnitReport {
            rtp_timestamp: self.timestamp,
            complete: self.is_complete(),
            bytes_missing,
            listed,
            listed_count: count,
            packets_received: self.received,
            packets_lost: packets - self.received,
            duplicates: self.duplicates,
            first_packet_ns: self.first_packet_ns,
            last_packet_ns: self.last_packet_ns,
            marker_seen: false,
            // Packets of another format are in no block.
            wrong_format: false,
            tag: 0,
        };
        sink.finish(slot, &report);
        report
    }
}
