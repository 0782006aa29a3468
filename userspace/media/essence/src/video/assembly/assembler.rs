//! Assembles packets into frames.

use onair_mutant::mutant;

use super::Malformed;
use super::coverage::Coverage;
use super::frame::Frame;
use super::history::{ClosedFrame, History};
use crate::pace::{Ahead, Pace, Vouched, is_near, packets_of};
use crate::receive::{Depacketise, ReceiveStats, Run, Sink, write_behind};
use crate::rtp::{PayloadTypes, RtpHeader, timestamp_after};
use crate::sequence::{Arrival, Sequence, nearest};
use crate::source::{Candidates, Strangers};
use crate::video::st2110_20::{PayloadReject, Segments};
use crate::video::{Scan, VideoFormat};

/// How many packets ahead the destination in the frame is fetched. Without it each copy waits for memory.
pub(super) const PAYLOADS_AHEAD: usize = 2;
/// Payload bytes of a full packet.
const FULL_PAYLOAD: usize = 1_280;
/// Fewest refused packets beside a frame that show another format.
const FEWEST_OTHERS: u64 = 3;

/// Refused packets of another format.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Others {
    pub(super) packets: u64,
    /// So many frames after them are of another format, too.
    pub(super) frames: u8,
}

/// Configuration of an assembler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AssemblerConfig {
    /// Raster, bit depth and frame rate.
    pub format: VideoFormat,
    /// RTP payload type, 0 to 127. Packets of other types count as malformed.
    pub payload_type: u8,
    /// Nanoseconds without a packet after which a frame is closed incomplete. Also the time without
    /// a fitting packet after which another source, or the same with other numbers, is followed.
    pub timeout_ns: u64,
}

/// Treatment of a packet.
pub(super) enum Admission {
    /// It is of the frame at this place, and has this unwrapped number.
    Of(usize, u64),
    /// The stream cannot be there yet.
    Ahead,
    /// It is of no frame, and was counted.
    Counted,
}

/// Assembles the frames of one flow. Allocates only in its constructor.
#[derive(Debug)]
pub struct Assembler<S> {
    pub(super) config: AssemblerConfig,
    pub(super) payload_types: PayloadTypes,
    /// Frames in assembly, oldest first; the first `active` are in use.
    pub(super) frames: [Frame<S>; 2],
    pub(super) active: usize,
    pub(super) ssrc: Option<u32>,
    pub(super) other_ssrc: Option<u32>,
    pub(super) sequence: Sequence,
    pub(super) history: History,
    pub(super) candidates: Candidates,
    pub(super) strangers: Strangers,
    pub(super) pace: Pace,
    pub(super) ahead: Ahead,
    /// Refused packets of another format since the last frame was closed, and between it and the one before: two frames are
    /// in assembly.
    pub(super) others: [Others; 2],
    /// So many frames that open next are of a source that sends another format.
    pub(super) wrong_frames: u8,
    pub(super) last_fit_ns: u64,
    /// Last packet of the current source that came late or again.
    pub(super) last_late_ns: u64,
    /// So many packets fit until one came late while none did.
    pub(super) late_after: u64,
    pub(super) stats: ReceiveStats,
}

impl<S: Copy> Assembler<S> {
    /// An assembler in its initial state.
    #[must_use]
    pub fn new(config: AssemblerConfig) -> Self {
        let coverage = Coverage::new(&config.format);
        let rate = config.format.buffer_rate();
        Self {
            config,
            payload_types: config.payload_type.into(),
            frames: [Frame::idle(coverage.clone()), Frame::idle(coverage)],
            active: 0,
            ssrc: None,
            other_ssrc: None,
            sequence: Sequence::new(),
            history: History::new(),
            candidates: Candidates::default(),
            strangers: Strangers::default(),
            pace: Pace::new(
                (rate.numerator(), rate.denominator()),
                packets_of(config.format.frame_bytes()),
            ),
            ahead: Ahead::new(),
            others: Default::default(),
            wrong_frames: 0,
            last_fit_ns: 0,
            last_late_ns: 0,
            late_after: 0,
            stats: ReceiveStats::default(),
        }
    }

    /// The configuration.
    #[must_use]
    pub const fn config(&self) -> &AssemblerConfig {
        &self.config
    }

    /// Handles the RTP packet `packet`, received at `now_ns` of a monotonic clock. A malformed
    /// packet changes no frame's bytes and not the source: it is counted. Where no other packet has its number, it is a part
    /// of what the source sends.
    #[inline]
    pub fn packet(&mut self, packet: &[u8], now_ns: u64, sink: &mut impl Sink<Slot = S>) {
        self.stats.packets += 1;
        self.stats.bytes += packet.len() as u64;
        let format = self.config.format;
        let (rtp, payload) = match RtpHeader::parse(packet) {
            Ok(parsed) => parsed,
            Err(reason) => return self.stats.malformed.add(Malformed::from(reason)),
        };
        if !self.payload_types.has(rtp.payload_type) {
            return self.stats.malformed.add(Malformed::BadPayloadType);
        }
        match Segments::parse(payload, &format) {
            Ok(segments) => self.take((&rtp, packet), segments, Vouched::Not, now_ns, sink),
            Err(reason) => self.refuse(&rtp, reason),
        }
    }

    /// Tells of `len` bytes, `ahead` bytes after the place of the next in-order packet. A guess.
    #[inline]
    fn fetch_place(&self, ahead: usize, len: usize, sink: &impl Sink<Slot = S>) {
        if let Some(frame) = self.frames[..self.active].first()
            && let Some(slot) = frame.slot
        {
            sink.fetch(slot, frame.coverage.covered_bytes() + ahead, len);
        }
    }

    #[inline]
    fn take(
        &mut self,
        (rtp, packet): (&RtpHeader, &[u8]),
        segments: Segments<'_>,
        vouched: Vouched,
        now_ns: u64,
        sink: &mut impl Sink<Slot = S>,
    ) {
        if self.ssrc != Some(rtp.ssrc) {
            match self.turn_to(rtp, vouched, now_ns, sink) {
                None => {}
                Some(Admission::Ahead) => {
                    return self.doubt((rtp, packet), segments, now_ns, sink);
                }
                Some(_) => return,
            }
        }
        let found = match self.find(rtp.timestamp) {
            Some(place) => {
                let highest = self.frames[place].highest;
                let number = nearest(highest, rtp.sequence);
                if is_near(number, highest) || vouched == Vouched::ByAnother {
                    Admission::Of(place, number)
                } else {
                    Admission::Ahead
                }
            }
            None => self.admit((rtp, segments.field()), vouched, now_ns, sink),
        };
        let (place, number) = match found {
            Admission::Of(place, number) => (place, number),
            Admission::Ahead => return self.doubt((rtp, packet), segments, now_ns, sink),
            Admission::Counted => return,
        };
        if self.frames[place].field != segments.field() && self.config.format.scan() != Scan::Psf {
            return self.refuse(rtp, PayloadReject::FieldMismatch);
        }
        let is_next = self.sequence.are_next(number, 1);
        if !is_next && self.is_ahead_again(place, &segments, number) {
            return self.note_duplicate(place, now_ns);
        }
        match self.sequence.receive(number) {
            Arrival::Newest => {}
            // Else another packet took its number.
            Arrival::Duplicate if self.has(place, &segments) => {
                return self.note_duplicate(place, now_ns);
            }
            other => self.note_reordered(other),
        }
        self.last_fit_ns = now_ns;
        self.fill(place, rtp, segments, (number, now_ns), sink);
    }

    /// Whether a frame without memory, or one that has all bytes of a packet, needs it no more.
    #[inline(never)]
    fn has(&self, place: usize, segments: &Segments<'_>) -> bool {
        let frame = &self.frames[place];
        let has_all = segments.clone().all(|it| frame.coverage.has(it.place));
        frame.slot.is_none()
            || has_all
            || mutant!("video: a number is of the packet that has it first")
    }

    /// Whether a packet is ahead of its turn and has nothing new: its number is that of another, which is yet to come.
    #[inline(never)]
    fn is_ahead_again(&self, place: usize, segments: &Segments<'_>, number: u64) -> bool {
        number > self.frames[place].highest
            && self.frames[place].slot.is_some()
            && self.has(place, segments)
            && !mutant!("video: a packet of bytes that came takes a number")
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
        frame.note(rtp, segments.field(), number, now_ns);
        let Some(slot) = frame.slot else {
            self.stats.no_buffer += 1;
            return;
        };
        self.stats.accepted += 1;
        for segment in segments {
            let is_new = frame.coverage.add(segment.place) == segment.place.pgroups;
            if is_new || frame.told == 0 {
                sink.write(slot, segment.offset, segment.bytes);
            } else {
                write_behind(frame.told, slot, (segment.offset, segment.bytes), sink);
            }
        }
        if frame.is_over() {
            if rtp.marker {
                // Numbers behind it are of the next frame.
                frame.highest = number;
            }
            self.close_to(place, now_ns, sink);
        } else if sink.follows() {
            frame.tell(&self.config.format, sink);
        }
    }

    #[inline(never)]
    const fn note_duplicate(&mut self, place: usize, now_ns: u64) {
        self.stats.duplicate += 1;
        self.last_late_ns = now_ns;
        let frame = &mut self.frames[place];
        frame.duplicates = frame.duplicates.saturating_add(1);
    }

    #[inline(never)]
    pub(super) fn note_reordered(&mut self, arrival: Arrival) {
        self.stats.reordered += u64::from(arrival != Arrival::Newest);
        self.note_arrival(arrival);
    }

    pub(super) fn note_arrival(&mut self, arrival: Arrival) {
        self.pace
            .arrive(u64::from(arrival == Arrival::Lost), &mut self.stats);
    }

    /// Handles a packet where the stream cannot be yet: keeps it, or goes on with it and the one that was kept.
    #[cold]
    #[inline(never)]
    fn doubt(
        &mut self,
        (rtp, packet): (&RtpHeader, &[u8]),
        segments: Segments<'_>,
        now_ns: u64,
        sink: &mut impl Sink<Slot = S>,
    ) {
        let fitting = self.stats.accepted + self.stats.no_buffer;
        if !self.ahead.agrees(rtp, &self.pace, fitting) {
            if self.ssrc != Some(rtp.ssrc) && self.strangers.note(rtp) {
                return self.take((rtp, packet), segments, Vouched::ByAnother, now_ns, sink);
            }
            self.ahead.keep(rtp, packet, fitting);
            return self.note_astray();
        }
        let (kept, len) = self.ahead.take();
        let format = self.config.format;
        if let Ok((rtp, payload)) = RtpHeader::parse(&kept[..len])
            && let Ok(segments) = Segments::parse(payload, &format)
        {
            self.stats.late -= 1;
            self.stats.astray -= 1;
            let kept = (&rtp, &kept[..len]);
            self.take(kept, segments, Vouched::ByAnother, now_ns, sink);
        }
        self.ahead.put_back(kept);
        self.take((rtp, packet), segments, Vouched::ByAnother, now_ns, sink);
    }

    pub(super) const fn note_astray(&mut self) {
        self.stats.late += 1;
        self.stats.astray += 1;
    }

    #[inline(never)]
    pub(super) fn forget(&mut self) {
        self.history.clear();
        self.ahead.forget();
        self.strangers.forget();
        self.candidates = Candidates::default();
        (self.others, self.wrong_frames) = (Default::default(), 0);
    }

    /// Timestamp and highest number of the newest frame, in assembly or closed.
    pub(super) fn newest(&self) -> Option<(u32, u64)> {
        match self.frames[..self.active].last() {
            Some(frame) => Some((frame.timestamp, frame.highest)),
            None => self.history.last().map(|it| (it.timestamp, it.highest)),
        }
    }

    #[inline]
    pub(super) fn find(&self, timestamp: u32) -> Option<usize> {
        self.frames[..self.active]
            .iter()
            .position(|frame| frame.timestamp == timestamp)
    }

    /// Opens the frame of a packet, in order. Its place in the order is free.
    #[inline(never)]
    pub(super) fn open(
        &mut self,
        (rtp, field): (&RtpHeader, bool),
        number: u64,
        now_ns: u64,
        sink: &mut impl Sink<Slot = S>,
    ) -> Admission {
        let timestamp = rtp.timestamp;
        let may_begin = self.is_apart(timestamp) && self.pace.begin(now_ns);
        if !(may_begin || mutant!("video: a frame a packet")) {
            self.note_astray();
            return Admission::Counted;
        }
        let is_full = self.active == self.frames.len();
        if is_full || (self.active > 0 && self.is_whole_before(timestamp)) {
            self.close_oldest(Some(number), now_ns, sink);
        }
        let slot = sink.open(timestamp);
        if slot.is_none() {
            self.stats.units_no_buffer += 1;
        }
        let place = self.active;
        self.active += 1;
        let frame = &mut self.frames[place];
        frame.begin(
            &self.config.format,
            (timestamp, field),
            slot,
            number,
            now_ns,
        );
        frame.wrong_format = self.wrong_frames > 0;
        self.wrong_frames = self.wrong_frames.saturating_sub(1);
        if place == 1 && timestamp_after(self.frames[0].timestamp, timestamp) {
            self.frames.swap(0, 1);
            return Admission::Of(0, number);
        }
        Admission::Of(place, number)
    }

    /// Whether every byte of the oldest frame arrived, and a newer one begins: its sender sets no
    /// markers.
    fn is_whole_before(&self, timestamp: u32) -> bool {
        let oldest = &self.frames[0];
        oldest.coverage.is_complete() && timestamp_after(timestamp, oldest.timestamp)
    }

    pub(super) fn close_to(&mut self, place: usize, now_ns: u64, sink: &mut impl Sink<Slot = S>) {
        for _ in 0..=place {
            self.close_oldest(None, now_ns, sink);
        }
    }

    /// `opening`: the number of a packet that opens a frame after it.
    #[inline(never)]
    fn close_oldest(&mut self, opening: Option<u64>, now_ns: u64, sink: &mut impl Sink<Slot = S>) {
        if self.active == 0 {
            return;
        }
        self.active -= 1;
        self.frames.swap(0, 1);
        let next = (self.active > 0).then(|| self.frames[0].lowest);
        if self.others.iter().any(|it| it.packets > 0) {
            self.judge_others(next.or(opening));
        }
        let frame = &self.frames[1];
        let around = self.lost_around(frame, next);
        let is_whole = frame.coverage.is_complete() || next.is_some() && around == 0;
        let lacks_marker = is_whole && !frame.marker_seen() && !frame.wrong_format;
        self.stats.units_without_marker += u64::from(lacks_marker);
        self.stats.units_past_marker += u64::from(frame.is_past_marker);
        let missing = self.sequence.settle(frame.highest + 1);
        self.pace.lose(missing, &mut self.stats, self.last_fit_ns);
        self.history.add(ClosedFrame {
            timestamp: frame.timestamp,
            field: frame.field,
            lowest: frame.lowest,
            highest: frame.highest,
            closed_ns: now_ns,
            is_whole: frame.coverage.is_complete(),
        });
        let Some(slot) = frame.slot else { return };
        let report = frame.report(around);
        if report.complete {
            self.pace.complete();
            self.stats.units_complete += 1;
        } else {
            self.stats.units_incomplete += 1;
        }
        self.stats.units_wrong_format += u64::from(report.wrong_format);
        sink.finish(slot, &report);
    }

    /// The numbers of a frame and, if its neighbours are known, those at its edges.
    fn numbers_around(&self, frame: &Frame<S>, next: Option<u64>) -> (u64, u64) {
        let start = self
            .history
            .last()
            .map_or(frame.lowest, |last| frame.lowest.min(last.highest + 1));
        let own_end = frame.highest + 1;
        let end = if frame.marker_seen() {
            own_end
        } else {
            next.map_or(own_end, |next| next.max(own_end))
        };
        (start, end)
    }

    /// Missing sequence numbers of these.
    fn lost_around(&self, frame: &Frame<S>, next: Option<u64>) -> u64 {
        let (start, end) = self.numbers_around(frame, next);
        self.sequence.missing(start, end)
    }

    /// The frame that is closed is of another format if the numbers that are missing in it, or most of those beside it, are those
    /// of refused packets. Those of a stranger have the numbers of others.
    #[cold]
    #[inline(never)]
    fn judge_others(&mut self, next: Option<u64>) {
        let [since, before] = self.others;
        self.others = [Others::default(), since];
        let most = since.packets + before.packets;
        let frame = &self.frames[1];
        let (start, end) = self.numbers_around(frame, next);
        let missing = self.sequence.missing(start, end);
        let is_last = next.is_none() && !frame.marker_seen();
        let end = if is_last { u64::MAX } else { end };
        let count = |start, end| self.sequence.refused(start, end).min(most);
        let (own, all) = (count(frame.lowest, frame.highest + 1), count(start, end));
        let are_most = all >= FEWEST_OTHERS && 2 * all >= missing
            || mutant!("video: a refused packet is of another format");
        self.frames[1].wrong_format |= own > 0 || are_most;
        if are_most {
            let frames = since.frames.max(before.frames);
            self.wrong_frames = self.wrong_frames.max(frames);
        }
    }
}

impl<S: Copy> Depacketise<S> for Assembler<S> {
    #[inline]
    fn push(&mut self, run: &Run<'_>, sink: &mut impl Sink<Slot = S>) {
        let mut left = run.packets;
        // Each turn takes one packet at least.
        while let Some((first, others)) = left.split_first() {
            // One packet is faster as itself.
            let train = match others {
                [] => 0,
                _ => self.train(left, run.now_ns, sink),
            };
            if train == 0 {
                self.packet(first, run.now_ns, sink);
            }
            left = &left[train.max(1)..];
        }
    }

    #[inline]
    fn refuses(&self, rtp: &RtpHeader, payload: &[u8]) -> bool {
        let Ok(segments) = Segments::parse(payload, &self.config.format) else {
            return true;
        };
        let frame = self.find(rtp.timestamp).map(|it| &self.frames[it]);
        frame.is_some_and(|it| it.field != segments.field())
            && self.config.format.scan() != Scan::Psf
    }

    #[inline]
    fn fetch(&self, packets: usize, sink: &impl Sink<Slot = S>) {
        let coverage = self.frames[0].coverage.next_lines(packets * FULL_PAYLOAD);
        let words = std::iter::once(self.sequence.next_word()).chain(coverage);
        words.for_each(|word| sink.fetch_word(word));
        self.fetch_place(0, PAYLOADS_AHEAD * FULL_PAYLOAD, sink);
    }

    fn expire(&mut self, now_ns: u64, sink: &mut impl Sink<Slot = S>) {
        let overdue = |frame: &Frame<S>| {
            now_ns >= frame.last_packet_ns.saturating_add(self.config.timeout_ns)
        };
        if let Some(last) = self.frames[..self.active].iter().rposition(overdue) {
            self.close_to(last, now_ns, sink);
        }
    }

    fn deadline(&self) -> Option<u64> {
        let last = self.frames[..self.active]
            .iter()
            .map(|frame| frame.last_packet_ns)
            .min()?;
        Some(last.saturating_add(self.config.timeout_ns))
    }

    fn close(&mut self, sink: &mut impl Sink<Slot = S>) {
        // Each turn closes one.
        while self.active > 0 {
            self.close_oldest(None, self.frames[0].last_packet_ns, sink);
        }
    }

    fn reset(&mut self, mut discard: impl FnMut(S)) {
        for frame in &self.frames[..self.active] {
            frame.slot.into_iter().for_each(&mut discard);
        }
        self.active = 0;
        self.ssrc = None;
        self.forget();
    }

    fn under_way(&self) -> usize {
        self.active
    }

    fn set_payload_types(&mut self, types: PayloadTypes) {
        self.config.payload_type = types.first;
        self.payload_types = types;
    }

    #[inline]
    fn ssrc(&self) -> Option<u32> {
        self.ssrc
    }

    fn other_ssrc(&self) -> Option<u32> {
        self.other_ssrc
    }

    fn stats(&self) -> &ReceiveStats {
        &self.stats
    }
}
