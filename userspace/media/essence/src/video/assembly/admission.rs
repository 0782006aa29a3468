//! Which frame a packet belongs to: one in assembly, a new one, or one that is closed; and which
//! source the assembler follows.

use onair_mutant::mutant;

use super::Malformed;
use super::assembler::{Admission, Assembler};
use crate::pace::Vouched;
use crate::receive::{Depacketise as _, Sink};
use crate::rtp::{RtpHeader, timestamp_after};
use crate::sequence::{Arrival, WINDOW, first_from, nearest};
use crate::source::{Candidates, Turn, turn_to};
use crate::video::Scan;
use crate::video::st2110_20::PayloadReject;

/// Sequence numbers from one frame to the next that are no reason to suspect a restart.
const CONTIGUOUS: u64 = 1 << 10;

/// Sequence numbers that may precede the first packet of a source.
const BEFORE_THE_FIRST: u64 = 1 << 15;

/// By how much timestamp and clock may advance differently while no packet comes: 1 s of 90 kHz.
const JUMP_TICKS: u32 = 90_000;

/// How long after a frame its packets may arrive again. Later ones are of a source that replays.
const REPLAY_NS: u64 = 2_000_000_000;

/// Frames after a field bit in a progressive session that are not shown as complete.
const INTERLACED_FRAMES: u8 = 8;

impl<S: Copy> Assembler<S> {
    /// Follows the source of a packet: what becomes of it if it does not.
    #[inline(never)]
    pub(super) fn turn_to(
        &mut self,
        rtp: &RtpHeader,
        vouched: Vouched,
        now_ns: u64,
        sink: &mut impl Sink<Slot = S>,
    ) -> Option<Admission> {
        let came = now_ns.saturating_sub(self.last_late_ns) < self.config.timeout_ns;
        let is_silent = !came && self.is_silent(now_ns);
        let sources = (&mut self.ssrc, &mut self.other_ssrc);
        match turn_to(rtp.ssrc, sources, is_silent, vouched, &mut self.stats) {
            Turn::Stay => Some(Admission::Counted),
            Turn::Doubt => Some(Admission::Ahead),
            Turn::Follow => {
                self.close(sink);
                self.forget();
                None
            }
        }
    }

    /// Finds the frame of a packet that is of none in assembly, and the packet's unwrapped number.
    #[inline(never)]
    pub(super) fn admit(
        &mut self,
        (rtp, field): (&RtpHeader, bool),
        vouched: Vouched,
        now_ns: u64,
        sink: &mut impl Sink<Slot = S>,
    ) -> Admission {
        let Some((newest, highest)) = self.newest() else {
            let number = self.sequence.start(rtp.sequence);
            return self.open((rtp, field), number, now_ns, sink);
        };
        let ticks = rtp.timestamp.wrapping_sub(newest);
        if timestamp_after(rtp.timestamp, newest) {
            let number = self.sequence.after(highest, rtp.sequence, CONTIGUOUS);
            let numbers = number.saturating_sub(highest);
            if numbers <= CONTIGUOUS || self.is_plausible(numbers, ticks, now_ns) {
                let elapsed_ns = now_ns.saturating_sub(self.last_fit_ns);
                let is_there = self.pace.is_passed(ticks, elapsed_ns) && self.pace.is_due(ticks)
                    || vouched == Vouched::ByAnother
                    || self.is_silent(now_ns)
                    || mutant!("video: one timestamp moves the clock");
                if !is_there {
                    return Admission::Ahead;
                }
                let admitted = self.open((rtp, field), number, now_ns, sink);
                if matches!(admitted, Admission::Of(..)) {
                    let back = self.sequence.rewind(number);
                    self.pace.arrive(back, &mut self.stats);
                }
                return admitted;
            }
            if self.is_silent(now_ns) {
                return self.restart((rtp, field), now_ns, sink);
            }
            return self.stray((rtp, field), now_ns, sink);
        }
        let Some((start, end)) = self.gap(rtp.timestamp) else {
            return self.pass((rtp, field), now_ns, sink);
        };
        let number = first_from(start, rtp.sequence);
        if number < end {
            return self.open((rtp, field), number, now_ns, sink);
        }
        self.stray((rtp, field), now_ns, sink)
    }

    /// Whether a frame of its own can have this timestamp, beside those around it.
    pub(super) fn is_apart(&self, timestamp: u32) -> bool {
        let active = self.frames[..self.active].iter().map(|it| it.timestamp);
        let closed = self.history.last().map(|it| it.timestamp);
        let mut around = active.chain(closed);
        around.all(|it| self.pace.is_apart(timestamp.wrapping_sub(it)))
    }

    /// Numbers of a frame between the last closed one and one in assembly; `None` if there is no
    /// such frame.
    fn gap(&self, timestamp: u32) -> Option<(u64, u64)> {
        let [first, second] = &self.frames;
        let is_after = |other| timestamp_after(timestamp, other);
        if self.active == 2 {
            return is_after(first.timestamp).then_some((first.highest + 1, second.lowest));
        }
        match self.history.last() {
            Some(last) => is_after(last.timestamp).then_some((last.highest + 1, first.lowest)),
            None => Some((first.lowest.saturating_sub(BEFORE_THE_FIRST), first.lowest)),
        }
    }

    /// Handles a packet whose frame is closed.
    fn pass(
        &mut self,
        (rtp, field): (&RtpHeader, bool),
        now_ns: u64,
        sink: &mut impl Sink<Slot = S>,
    ) -> Admission {
        let is_interlaced = self.config.format.scan() == Scan::Interlaced;
        if is_interlaced
            && self
                .history
                .field(rtp.timestamp)
                .is_some_and(|it| it != field)
        {
            // The second segment of a frame: as many rows as a field, but the same timestamp.
            self.refuse(rtp, PayloadReject::FieldMismatch);
            return Admission::Counted;
        }
        let end = (self.active > 0).then_some(self.frames[0].lowest);
        let Some(passed) = self.history.locate(rtp, end) else {
            return self.stray((rtp, field), now_ns, sink);
        };
        let arrival = self.sequence.receive(passed.number);
        let came_before = matches!(arrival, Arrival::Duplicate | Arrival::Forgotten);
        if came_before && now_ns.saturating_sub(passed.closed_ns) >= REPLAY_NS {
            return self.stray((rtp, field), now_ns, sink);
        }
        self.last_late_ns = now_ns;
        let is_of_newest = self.newest().is_none_or(|it| it.0 == rtp.timestamp);
        let is_fresh = arrival != Arrival::Duplicate && !is_of_newest && self.is_silent(now_ns);
        if is_fresh {
            let fitting = self.stats.accepted + self.stats.no_buffer;
            if std::mem::replace(&mut self.late_after, fitting) != fitting {
                self.candidates = Candidates::default();
            }
            let goes_on_before = self.candidates.note_next(rtp);
            if goes_on_before && !mutant!("video: what was ahead makes the rest late") {
                // Only frames before the newest: that one was far ahead of the source.
                return self.restart((rtp, field), now_ns, sink);
            }
        }
        if arrival == Arrival::Duplicate {
            self.stats.duplicate += 1;
        } else {
            self.note_reordered(arrival);
            self.stats.late += 1;
        }
        Admission::Counted
    }

    /// Handles a packet that contradicts the current source: follows it if enough others agree with
    /// it and the current source is silent.
    fn stray(
        &mut self,
        (rtp, field): (&RtpHeader, bool),
        now_ns: u64,
        sink: &mut impl Sink<Slot = S>,
    ) -> Admission {
        if self.candidates.note(rtp) && self.is_silent(now_ns) {
            return self.restart((rtp, field), now_ns, sink);
        }
        self.stats.late += 1;
        Admission::Counted
    }

    fn restart(
        &mut self,
        (rtp, field): (&RtpHeader, bool),
        now_ns: u64,
        sink: &mut impl Sink<Slot = S>,
    ) -> Admission {
        self.stats.restarts += 1;
        self.close(sink);
        self.forget();
        let number = self.sequence.start(rtp.sequence);
        self.open((rtp, field), number, now_ns, sink)
    }

    /// Counts a packet whose payload does not fit the session. It changes nothing: its number is missing until another packet
    /// has it.
    #[cold]
    #[inline(never)]
    pub(super) fn refuse(&mut self, rtp: &RtpHeader, reason: PayloadReject) {
        self.stats.malformed.add(Malformed::from(reason));
        let Some((_, newest)) = self.newest().filter(|_| self.ssrc == Some(rtp.ssrc)) else {
            return;
        };
        let place = self.find(rtp.timestamp);
        let highest = place.map_or(newest, |it| self.frames[it].highest);
        self.sequence.refuse(nearest(highest, rtp.sequence));
        let frames = match reason {
            // Every other field of an interlaced source fits a progressive session of half the height.
            PayloadReject::Interlaced => INTERLACED_FRAMES,
            PayloadReject::Range { .. }
            | PayloadReject::Alignment { .. }
            | PayloadReject::FieldMismatch
            | PayloadReject::Progressive(_) => 0,
            _ => return,
        };
        let [since, _] = &mut self.others;
        since.packets += 1;
        since.frames = since.frames.max(frames);
    }

    /// Whether no packet has fit for the time-out.
    const fn is_silent(&self, now_ns: u64) -> bool {
        now_ns.saturating_sub(self.last_fit_ns) >= self.config.timeout_ns
    }

    /// Whether the same source can have advanced by so much, with packets lost: timestamps as the
    /// clock, and sequence numbers (modulo 2^16) as they did before in as many ticks.
    fn is_plausible(&self, numbers: u64, ticks: u32, now_ns: u64) -> bool {
        let Some((expected, of_a_frame)) = self.history.numbers_in(ticks) else {
            return !self.is_jump(ticks, now_ns);
        };
        let apart = numbers.wrapping_sub(expected) % WINDOW;
        let apart = apart.min(WINDOW - apart);
        apart <= CONTIGUOUS.max(2 * of_a_frame) && !self.is_jump(ticks, now_ns)
    }

    /// Whether a timestamp went further ahead than the time since the last fitting packet.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "timestamps wrap at 32 bits"
    )]
    const fn is_jump(&self, ticks: u32, now_ns: u64) -> bool {
        let elapsed = now_ns.saturating_sub(self.last_fit_ns) / 100_000 * 9;
        ticks
            .wrapping_sub(elapsed as u32)
            .cast_signed()
            .unsigned_abs()
            > JUMP_TICKS
    }
}
