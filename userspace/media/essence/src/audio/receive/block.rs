//! A block in assembly.

use crate::bits;
use crate::receive::{LISTED_RANGES, MissingRange, Sink, UnitProgress, UnitReport, write_behind};

/// Zeros, as many as are written at once.
const SILENCE: [u8; 4096] = [0; 4096];

/// A block: which of its samples came. The next block reuses its bitmap.
#[derive(Debug)]
pub(super) struct Block<S> {
    came: Box<[u64]>,
    samples: u32,
    /// Samples that came.
    pub(super) covered: usize,
    sample_bytes: usize,
    /// Position of its first sample.
    pub(super) first: u64,
    pub(super) timestamp: u32,
    /// `None`: there was no memory for the block.
    pub(super) slot: Option<S>,
    /// So many bytes a reader was told of.
    told: usize,
    pub(super) received: u32,
    pub(super) duplicates: u32,
    pub(super) first_packet_ns: u64,
    pub(super) last_packet_ns: u64,
}

impl<S: Copy> Block<S> {
    pub(super) fn idle(samples: u32, sample_bytes: usize) -> Self {
        Self {
            came: vec![0; samples.div_ceil(64) as usize].into(),
            samples,
            covered: 0,
            sample_bytes,
            first: 0,
            timestamp: 0,
            slot: None,
            told: 0,
            received: 0,
            duplicates: 0,
            first_packet_ns: 0,
            last_packet_ns: 0,
        }
    }

    pub(super) fn begin(&mut self, first: u64, timestamp: u32, slot: Option<S>, now_ns: u64) {
        self.came.fill(0);
        (self.first, self.timestamp, self.slot) = (first, timestamp, slot);
        (self.received, self.duplicates, self.covered, self.told) = (0, 0, 0, 0);
        (self.first_packet_ns, self.last_packet_ns) = (now_ns, now_ns);
    }

    /// Writes those samples of a packet at `position` that lie in the block. Whether there are any, and memory for them.
    #[inline]
    pub(super) fn fill(
        &mut self,
        position: u64,
        payload: &[u8],
        now_ns: u64,
        sink: &mut impl Sink<Slot = S>,
    ) -> bool {
        let samples = (payload.len() / self.sample_bytes) as u64;
        let end = (position + samples).min(self.first + u64::from(self.samples));
        let start = position.max(self.first);
        if start >= end {
            return false;
        }
        let place = |it: u64| usize::try_from(it).unwrap_or(usize::MAX);
        let (at, skipped) = (place(start - self.first), place(start - position));
        let count = place(end - start);
        let fresh = bits::set(&mut self.came, at..at + count);
        self.covered += fresh;
        self.received += 1;
        self.last_packet_ns = now_ns;
        let Some(slot) = self.slot else {
            return false;
        };
        let bytes = &payload[skipped * self.sample_bytes..][..count * self.sample_bytes];
        if fresh == count || self.told == 0 {
            sink.write(slot, at * self.sample_bytes, bytes);
        } else {
            write_behind(self.told, slot, (at * self.sample_bytes, bytes), sink);
        }
        if sink.follows() && !self.is_complete() {
            self.tell(slot, sink);
        }
        true
    }

    /// Tells a reader how many samples stand.
    #[inline(never)]
    fn tell(&mut self, slot: S, sink: &mut impl Sink<Slot = S>) {
        let samples = self.samples as usize;
        let missing = bits::find(&self.came, self.told / self.sample_bytes, samples, false);
        self.told = missing.unwrap_or(samples) * self.sample_bytes;
        let progress = UnitProgress {
            rtp_timestamp: self.timestamp,
            first_packet_ns: self.first_packet_ns,
            tag: 0,
            bytes: self.told,
        };
        sink.progress(slot, &progress);
    }

    #[inline]
    pub(super) const fn is_complete(&self) -> bool {
        self.covered == self.samples as usize
    }

    /// Samples that did not come, as ranges.
    fn missing(&self) -> impl Iterator<Item = std::ops::Range<usize>> {
        let (came, samples) = (&self.came, self.samples as usize);
        let mut at = 0;
        std::iter::from_fn(move || {
            let start = bits::find(came, at, samples, false)?;
            let end = bits::find(came, start, samples, true).unwrap_or(samples);
            at = end;
            Some(start..end)
        })
    }

    /// Writes silence where samples did not come, and finishes it. A packet has so many.
    pub(super) fn finish(
        &self,
        (slot, packet_samples): (S, u32),
        sink: &mut impl Sink<Slot = S>,
    ) -> UnitReport {
        let mut listed = [MissingRange::default(); LISTED_RANGES];
        let (mut count, mut bytes_missing) = (0, 0);
        for range in self.missing() {
            let (mut offset, mut len) = (
                range.start * self.sample_bytes,
                range.len() * self.sample_bytes,
            );
            bytes_missing += len;
            if let Some(place) = listed.get_mut(count) {
                *place = MissingRange { offset, len };
                count += 1;
            }
            // Each turn writes a part of it.
            while len > 0 {
                let part = len.min(SILENCE.len());
                sink.write(slot, offset, &SILENCE[..part]);
                offset += part;
                len -= part;
            }
        }
        let missing = u32::try_from(bytes_missing / self.sample_bytes).unwrap_or(u32::MAX);
        let report = UnitReport {
            rtp_timestamp: self.timestamp,
            complete: self.is_complete(),
            bytes_missing,
            listed,
            listed_count: count,
            packets_received: self.received,
            packets_lost: missing.div_ceil(packet_samples.max(1)),
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
