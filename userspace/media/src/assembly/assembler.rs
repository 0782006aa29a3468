//! Assembles packets into frames.

use crate::rtp::{RtpHeader, timestamp_after};
use crate::st2110_20::Segments;
use crate::video::VideoFormat;

use super::coverage::Coverage;
use super::frame::Frame;
use super::report::Sink;
use super::sequence::{Arrival, Sequence};
use super::stats::{AssemblyStats, Malformed};

/// Consecutive packets that fit no frame from which the source counts as restarted.
const STRAYS_BEFORE_RESTART: u32 = 16;

/// Configuration of an assembler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AssemblerConfig {
    /// Raster, bit depth and frame rate.
    pub format: VideoFormat,
    /// RTP payload type, 0 to 127. Packets of other types count as malformed.
    pub payload_type: u8,
    /// Nanoseconds without a packet after which a frame is closed incomplete. Also the time without
    /// a fitting packet after which a source with lower numbers counts as restarted.
    pub timeout_ns: u64,
}

/// Assembles the frames of one flow. Allocates only in its constructor.
#[derive(Debug)]
pub struct Assembler<S> {
    config: AssemblerConfig,
    /// Frames in assembly, oldest first; the first `active` are in use.
    frames: [Frame<S>; 2],
    active: usize,
    ssrc: Option<u32>,
    sequence: Sequence,
    /// Timestamp of the last closed frame, and the sequence number after its highest packet.
    closed: Option<(u32, u64)>,
    strays: u32,
    last_fit_ns: u64,
    stats: AssemblyStats,
}

impl<S: Copy> Assembler<S> {
    /// An assembler in its initial state.
    #[must_use]
    pub fn new(config: AssemblerConfig) -> Self {
        let coverage = Coverage::new(&config.format);
        Self {
            config,
            frames: [Frame::idle(coverage.clone()), Frame::idle(coverage)],
            active: 0,
            ssrc: None,
            sequence: Sequence::new(),
            closed: None,
            strays: 0,
            last_fit_ns: 0,
            stats: AssemblyStats::default(),
        }
    }

    /// The configuration.
    #[must_use]
    pub const fn config(&self) -> &AssemblerConfig {
        &self.config
    }

    /// Counters since the constructor.
    #[must_use]
    pub const fn stats(&self) -> &AssemblyStats {
        &self.stats
    }

    /// Frames in assembly, at most two.
    #[must_use]
    pub const fn under_way(&self) -> usize {
        self.active
    }

    /// The current synchronisation source, after the first packet.
    #[must_use]
    pub const fn ssrc(&self) -> Option<u32> {
        self.ssrc
    }

    /// Handles the RTP packet `packet`, received at `now_ns` of a monotonic clock. Uses nothing of
    /// a malformed packet, not even its synchronisation source.
    #[inline]
    pub fn push(&mut self, packet: &[u8], now_ns: u64, sink: &mut impl Sink<Slot = S>) {
        self.stats.packets += 1;
        self.stats.bytes += packet.len() as u64;
        let config = self.config;
        let (rtp, payload) = match RtpHeader::parse(packet) {
            Ok(parsed) => parsed,
            Err(reason) => return self.stats.malformed.add(reason.into()),
        };
        if rtp.payload_type != config.payload_type {
            return self.stats.malformed.add(Malformed::BadPayloadType);
        }
        match Segments::parse(payload, &config.format) {
            Ok(segments) => self.take(&rtp, segments, now_ns, sink),
            Err(reason) => self.stats.malformed.add(reason.into()),
        }
    }

    /// The bitmap words that the next in-order packet will change. For prefetching.
    #[inline]
    pub fn next_words(&self) -> impl Iterator<Item = &u64> {
        [
            self.sequence.next_word(),
            self.frames[0].coverage.next_word(),
        ]
        .into_iter()
    }

    /// Frame and byte offset of the next in-order packet. A guess, for prefetching.
    #[inline]
    pub fn next_place(&self) -> Option<(S, usize)> {
        let frame = self.frames[..self.active].first()?;
        Some((frame.slot?, frame.coverage.covered_bytes()))
    }

    /// When [`Self::expire`] next has work, in nanoseconds of the clock of `push`; `None` if no
    /// frame is in assembly.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        let last = self.frames[..self.active]
            .iter()
            .map(|frame| frame.last_packet_ns)
            .min()?;
        Some(last.saturating_add(self.config.timeout_ns))
    }

    /// Closes the frames without a packet for the time-out, and those before them.
    pub fn expire(&mut self, now_ns: u64, sink: &mut impl Sink<Slot = S>) {
        let overdue = |frame: &Frame<S>| {
            now_ns >= frame.last_packet_ns.saturating_add(self.config.timeout_ns)
        };
        let last = self.frames[..self.active].iter().rposition(overdue);
        for _ in 0..last.map_or(0, |place| place + 1) {
            self.close_oldest(sink);
        }
    }

    /// Closes the frames in assembly: the stream has ended, or the session is removed.
    pub fn close(&mut self, sink: &mut impl Sink<Slot = S>) {
        while self.active > 0 {
            self.close_oldest(sink);
        }
    }

    /// Forgets the frames in assembly and the source, because the session pauses. `discard` gets
    /// the memory of each unfinished frame. The counters stay.
    pub fn reset(&mut self, mut discard: impl FnMut(S)) {
        for frame in &self.frames[..self.active] {
            frame.slot.into_iter().for_each(&mut discard);
        }
        self.active = 0;
        self.ssrc = None;
        self.closed = None;
        self.strays = 0;
        self.sequence.restart();
    }

    #[inline]
    fn take(
        &mut self,
        rtp: &RtpHeader,
        segments: Segments<'_>,
        now_ns: u64,
        sink: &mut impl Sink<Slot = S>,
    ) {
        if self.ssrc != Some(rtp.ssrc) {
            if self.ssrc.replace(rtp.ssrc).is_some() {
                self.stats.ssrc_changes += 1;
            }
            self.resync(sink);
        } else if self.has_restarted(rtp, now_ns) {
            self.stats.restarts += 1;
            self.resync(sink);
        }
        let (number, arrival) = self.sequence.receive(rtp.sequence);
        if arrival == Arrival::Duplicate {
            return self.note_duplicate(rtp);
        }
        if arrival == Arrival::Reordered {
            self.stats.reordered += 1;
        }
        let Some(place) = self
            .find(rtp.timestamp)
            .or_else(|| self.open(rtp.timestamp, now_ns, sink))
        else {
            self.stats.late += 1;
            self.strays += 1;
            return;
        };
        self.strays = 0;
        self.last_fit_ns = now_ns;
        self.fill(place, rtp, segments, (number, now_ns), sink);
    }

    #[inline(never)]
    fn note_duplicate(&mut self, rtp: &RtpHeader) {
        self.stats.duplicate += 1;
        self.strays += 1;
        if let Some(place) = self.find(rtp.timestamp) {
            self.frames[place].duplicates = self.frames[place].duplicates.saturating_add(1);
        }
    }

    #[inline]
    fn fill(
        &mut self,
        place: usize,
        rtp: &RtpHeader,
        segments: Segments<'_>,
        (number, now_ns): (u64, u64),
        sink: &mut impl Sink<Slot = S>,
    ) {
        let frame = &mut self.frames[place];
        frame.note(rtp, number, now_ns);
        let Some(slot) = frame.slot else {
            self.stats.no_buffer += 1;
            return;
        };
        self.stats.accepted += 1;
        for segment in segments {
            sink.write(slot, segment.offset, segment.bytes);
            frame
                .coverage
                .add(segment.offset..segment.offset + segment.bytes.len());
        }
        if frame.coverage.is_complete() {
            for _ in 0..=place {
                self.close_oldest(sink);
            }
        }
    }

    /// For the time-out no packet has fit any frame: the numbers of the source fell back.
    #[inline]
    fn has_restarted(&self, rtp: &RtpHeader, now_ns: u64) -> bool {
        let stray = || {
            // Packets of the last closed frame are late; they are not a restart.
            let passed =
                |(closed, _)| rtp.timestamp != closed && !timestamp_after(rtp.timestamp, closed);
            self.sequence.has(rtp.sequence) || self.closed.is_some_and(passed)
        };
        self.strays >= STRAYS_BEFORE_RESTART
            && now_ns.saturating_sub(self.last_fit_ns) >= self.config.timeout_ns
            && stray()
    }

    #[inline(never)]
    fn resync(&mut self, sink: &mut impl Sink<Slot = S>) {
        self.close(sink);
        self.closed = None;
        self.strays = 0;
        self.sequence.restart();
    }

    #[inline]
    fn find(&self, timestamp: u32) -> Option<usize> {
        self.frames[..self.active]
            .iter()
            .position(|frame| frame.timestamp == timestamp)
    }

    /// Opens the frame of `timestamp` in order; `None` if its place in the order has passed.
    #[inline(never)]
    fn open(
        &mut self,
        timestamp: u32,
        now_ns: u64,
        sink: &mut impl Sink<Slot = S>,
    ) -> Option<usize> {
        if self
            .closed
            .is_some_and(|(closed, _)| !timestamp_after(timestamp, closed))
        {
            return None;
        }
        if self.active == self.frames.len() {
            if !timestamp_after(timestamp, self.frames[0].timestamp) {
                return None;
            }
            self.close_oldest(sink);
        }
        let slot = sink.open(timestamp);
        if slot.is_none() {
            self.stats.frames_no_buffer += 1;
        }
        let place = self.active;
        self.active += 1;
        self.frames[place].begin(timestamp, slot, now_ns);
        if place == 1 && timestamp_after(self.frames[0].timestamp, timestamp) {
            self.frames.swap(0, 1);
            return Some(0);
        }
        Some(place)
    }

    #[inline(never)]
    fn close_oldest(&mut self, sink: &mut impl Sink<Slot = S>) {
        if self.active == 0 {
            return;
        }
        self.active -= 1;
        self.frames.swap(0, 1);
        let next = (self.active > 0).then(|| self.frames[0].lowest);
        let frame = &self.frames[1];
        let around = self.lost_around(frame, next);
        self.stats.lost += self.sequence.settle(frame.highest + 1);
        self.closed = Some((frame.timestamp, frame.highest + 1));
        let Some(slot) = frame.slot else { return };
        let report = frame.report(around);
        if report.complete {
            self.stats.frames_complete += 1;
        } else {
            self.stats.frames_incomplete += 1;
        }
        sink.finish(slot, &report);
    }

    /// Missing sequence numbers within a frame and, if its neighbours are known, at its edges.
    fn lost_around(&self, frame: &Frame<S>, next: Option<u64>) -> u64 {
        let start = self
            .closed
            .map_or(frame.lowest, |(_, end)| end.min(frame.lowest));
        let own_end = frame.highest + 1;
        let end = if frame.marker_seen {
            own_end
        } else {
            next.map_or(own_end, |next| next.max(own_end))
        };
        self.sequence.missing(start, end)
    }
}
