//! Treatment of one packet of a leg.

use onair_mutant::mutant;

use super::leg::{Leg, Onward};
use super::merge::{Fate, Front, LONG, Merge, Stream};
use super::path::Claim;
use super::window::{Arrived, content};
use crate::rtp::RtpHeader;
use crate::sequence::nearest;

/// Packets of the same SSRC in a row that follow each other, before the stream goes on with them.
const AGREE: u32 = 16;
/// How far the numbers of two packets that agree may be apart: the network loses packets of any stream.
const AGREE_WITHIN: u64 = 16;
/// Packets of a leg from one that is kept to one that agrees with it: none of a living stream comes between.
const IN_A_ROW: u64 = 1;
/// Time that is looked back for a plausible timestamp, at most.
const MOST_ELAPSED_NS: u64 = 100_000_000_000;
/// Numbers that 16 bits tell apart, as far as timestamps need not help.
const NEAR: i64 = 1 << 13;

impl Stream {
    /// The unwrapped number that is nearest to the next one, so many packets later by the timestamp.
    #[inline]
    fn number(&self, rtp: &RtpHeader, packets: i64) -> u64 {
        let mut around = self.next;
        // A timestamp may jump while the numbers go on.
        let goes_on =
            || nearest(self.front.number, rtp.sequence).abs_diff(self.front.number) <= LONG;
        if packets.abs() > NEAR && !goes_on() {
            around = around.saturating_add_signed(packets);
        }
        nearest(around, rtp.sequence)
    }
}

/// Whether a packet came shortly before this one, so that a long loss of both legs lies before it.
fn follows(front: &Front, number: u64, within: u64) -> bool {
    number < front.number.saturating_add(within)
        && !mutant!("legs: a long loss ends the one leg's stream")
}

impl Merge {
    /// Sorts a packet that was received now.
    #[inline]
    pub(super) fn sort(
        &mut self,
        leg: Leg,
        packet: &[u8],
        now_ns: u64,
        onward: &impl Onward,
    ) -> Fate {
        let path = &mut self.paths[leg as usize];
        path.counts.packets += 1;
        let (rtp, payload) = match RtpHeader::parse(packet) {
            Ok(it) if it.0.payload_type == leg.payload_type(self.payload_types) => it,
            // The essence, which counts others by reason, would take it: it knows no legs.
            Ok((rtp, _)) if self.payload_types.has(rtp.payload_type) => {
                path.counts.malformed += 1;
                return Fate::Drop;
            }
            _ => {
                path.counts.malformed += 1;
                return Fate::Pass;
            }
        };
        path.note_ssrc(rtp.ssrc);
        self.is_refused = false;
        let Some(stream) = self.stream.filter(|it| it.ssrc == rtp.ssrc) else {
            let aside = onward.refuses(&rtp, payload);
            let aside = aside.then(|| self.set_aside(leg, &rtp, None, now_ns));
            return aside
                .flatten()
                .unwrap_or_else(|| self.sort_stray(leg, &rtp, now_ns));
        };
        let ticks = i64::from(rtp.timestamp.wrapping_sub(stream.timestamp).cast_signed());
        let number = stream.number(&rtp, (ticks * self.packets_a_tick) >> 16);
        let arrived = Arrived {
            at_ns: now_ns,
            timestamp: rtp.timestamp,
            content: content(payload),
            legs: leg.bit(),
        };
        if number != stream.next && self.window.has(number, &arrived) {
            // Of a stream of another format, too.
            self.is_refused = self.is_silent(now_ns);
        } else if onward.refuses(&rtp, payload)
            && !mutant!("legs: a refused packet takes a number")
            && let Some(fate) = self.set_aside(leg, &rtp, Some((number, arrived)), now_ns)
        {
            return fate;
        }
        if number == stream.next && self.is_near(&stream.front, number, &arrived) {
            if !self.is_proven(leg, number, &arrived) {
                return Fate::Drop;
            }
            self.take(leg, number, arrived);
            self.window.note(number, arrived);
            self.in_order_ns = now_ns;
            if let Some(stream) = &mut self.stream {
                (stream.next, stream.timestamp) = (number + 1, rtp.timestamp);
            }
            return Fate::Pass;
        }
        self.sort_other(leg, &rtp, (number, ticks), arrived)
    }

    /// A packet of another source than the stream's, or of the first one.
    fn sort_stray(&mut self, leg: Leg, rtp: &RtpHeader, now_ns: u64) -> Fate {
        let Some(stream) = self.stream else {
            return Fate::Jump(*rtp, None);
        };
        let path = &mut self.paths[leg as usize];
        path.is_proven &= stream.reference == leg;
        path.other_ssrc = Some(rtp.ssrc);
        self.stray(leg, rtp, None, now_ns)
    }

    /// A packet that the essence refuses moves nothing: it is passed on, once. `None`: no others come, so those in a row are a
    /// stream of another format, and are sorted as any.
    #[cold]
    #[inline(never)]
    fn set_aside(
        &mut self,
        leg: Leg,
        rtp: &RtpHeader,
        place: Option<(u64, Arrived)>,
        now_ns: u64,
    ) -> Option<Fate> {
        let in_a_row = self.paths[leg as usize].set_aside(rtp.sequence);
        self.is_refused = in_a_row >= AGREE && self.is_silent(now_ns);
        if self.is_refused {
            return None;
        }
        let next = self.stream.map_or(0, |it| it.next);
        let place = place.filter(|it| it.0.abs_diff(next) < self.window.len());
        let is_copy = place.is_some_and(|(number, it)| self.window.set_aside(number, it));
        let counts = &mut self.paths[leg as usize].counts;
        counts.duplicate += u64::from(is_copy);
        counts.used += u64::from(!is_copy);
        Some(if is_copy { Fate::Drop } else { Fate::Pass })
    }

    /// A packet other than the next one.
    fn sort_other(
        &mut self,
        leg: Leg,
        rtp: &RtpHeader,
        (number, ticks): (u64, i64),
        arrived: Arrived,
    ) -> Fate {
        let now_ns = arrived.at_ns;
        let Some(stream) = self.stream else {
            return Fate::Drop;
        };
        if number >= stream.next {
            let missing = number - stream.next;
            let is_in_time = self.is_in_time(ticks);
            if missing >= self.window.len()
                && !(is_in_time && follows(&stream.front, number, self.window.len()))
            {
                return self.stray(leg, rtp, is_in_time.then_some(missing), now_ns);
            }
            if number < stream.front.number && !is_in_time {
                return self.stray(leg, rtp, None, now_ns);
            }
            if let Some(before) = self.window.arrived(number) {
                return self.copy(leg, number, before, arrived);
            }
            if !self.is_proven(leg, number, &arrived) {
                return Fate::Drop;
            }
            let is_near = self.is_near(&stream.front, number, &arrived);
            if let Some(with) = self.agrees(leg, number, rtp.timestamp, is_near) {
                return Fate::Agree(with, number, arrived);
            }
            if !is_near && !self.is_silent(now_ns) {
                return Fate::Keep(number, arrived);
            }
            self.take(leg, number, arrived);
            return Fate::Hold(number, arrived);
        }
        if stream.next - number > self.window.len() {
            return self.late(leg, rtp, ticks, now_ns);
        }
        match self.window.arrived(number) {
            Some(before) => self.copy(leg, number, before, arrived),
            None if ticks.abs() > self.most_ticks => self.stray(leg, rtp, None, now_ns),
            None if !self.is_proven(leg, number, &arrived) => Fate::Drop,
            None => {
                self.accept(leg, number, &arrived);
                self.note_late(leg, ticks);
                let other = &self.paths[leg.other() as usize];
                self.joint.late += u64::from(other.newest.is_some_and(|it| it > number));
                // A stranger's packet with a number ahead went before it: the stream's time is its own.
                if let Some(stream) = self.stream.as_mut().filter(|_| ticks > 0) {
                    stream.timestamp = rtp.timestamp;
                }
                if number < stream.first {
                    return Fate::Drop;
                }
                self.window.note(number, arrived);
                self.arrive();
                Fate::Pass
            }
        }
    }

    /// Whether a timestamp is so far from that of the last packet that was passed on: that may have been one of no stream.
    #[inline]
    fn is_in_time(&self, ticks: i64) -> bool {
        let behind = i64::try_from(self.ticks_ahead).unwrap_or(i64::MAX);
        (-behind..=self.most_ticks).contains(&ticks)
    }

    /// Whether a packet is where the stream can be by now: not farther than some lost packets behind the highest that
    /// came, and its timestamp not farther than the time since.
    #[inline]
    fn is_near(&self, front: &Front, number: u64, arrived: &Arrived) -> bool {
        if number <= front.number || mutant!("legs: one packet far ahead is the stream") {
            return true;
        }
        if number > front.number + LONG + 1 {
            return false;
        }
        let ticks = arrived
            .timestamp
            .wrapping_sub(front.timestamp)
            .cast_signed();
        ticks == 0 || {
            let elapsed_ns = arrived.at_ns.saturating_sub(front.at_ns);
            let elapsed = self.clock_hz * (elapsed_ns.min(MOST_ELAPSED_NS) / 1_000) / 1_000_000;
            let most = elapsed * u64::from(ticks > 0) + self.ticks_ahead;
            u64::from(ticks.unsigned_abs()) <= most
        }
    }

    /// The leg of which a packet is kept that this one agrees with: the next one of the leg, or of the other one if that is
    /// as far ahead.
    #[inline]
    fn agrees(&self, leg: Leg, number: u64, timestamp: u32, is_near: bool) -> Option<Leg> {
        [leg, leg.other()].into_iter().find(|of| {
            self.window.kept(*of).is_some_and(|(kept, it, packets)| {
                let since = || self.paths[leg as usize].counts.packets - packets;
                let is_it = match *of == leg {
                    true => number > kept && since() <= IN_A_ROW,
                    false => number >= kept && !is_near,
                };
                let ticks = u64::from(timestamp.wrapping_sub(it.timestamp));
                is_it && number - kept <= AGREE_WITHIN && ticks <= self.ticks_ahead
            })
        })
    }

    /// Whether no packet of the stream came for some time.
    pub(super) const fn is_silent(&self, now_ns: u64) -> bool {
        now_ns.saturating_sub(self.heard_ns) >= self.silence_ns
    }

    /// A packet of which a copy came.
    pub(super) fn copy(
        &mut self,
        leg: Leg,
        number: u64,
        before: Arrived,
        arrived: Arrived,
    ) -> Fate {
        let came_here = before.legs & leg.bit() != 0;
        if (before.timestamp, before.content) != (arrived.timestamp, arrived.content) {
            return self.contradict(leg, number, came_here, arrived);
        }
        let later_ns = arrived.at_ns.saturating_sub(before.at_ns);
        // Had the other leg lost it, the stream would not have waited for so long.
        let is_late = later_ns > self.wait_ns
            && !came_here
            && !mutant!("legs: a copy is in time whenever it comes");
        let counts = &mut self.paths[leg as usize].counts;
        if is_late {
            (counts.late, counts.late_ns) = (counts.late + 1, later_ns);
        } else {
            counts.duplicate += 1;
        }
        if mutant!("legs: a copy is passed on") {
            return Fate::Pass;
        }
        if came_here {
            return Fate::Drop;
        }
        self.accept(leg, number, &arrived);
        let most = self.window.len();
        self.paths[leg as usize].prove(most);
        self.window.add_leg(number, leg.bit());
        self.skew.note(later_ns, leg == Leg::Second, arrived.at_ns);
        Fate::Drop
    }

    /// A packet came so many ticks after the one that was passed on last.
    fn note_late(&mut self, leg: Leg, ticks: i64) {
        let counts = &mut self.paths[leg as usize].counts;
        counts.late += 1;
        let behind = ticks.min(0).unsigned_abs();
        counts.late_ns = behind.saturating_mul(1_000_000_000) / self.clock_hz;
    }

    /// Two packets of one number differ: the leg that is followed is right.
    fn contradict(&mut self, leg: Leg, number: u64, came_here: bool, arrived: Arrived) -> Fate {
        let is_reference = self.stream.is_some_and(|it| it.reference == leg);
        let wrong = if is_reference && !came_here {
            leg.other()
        } else {
            leg
        };
        let path = &mut self.paths[wrong as usize];
        let was_proven = path.is_proven;
        path.is_proven &= is_reference && came_here;
        path.contradict();
        if wrong == leg {
            if was_proven {
                return self.pass_both(leg, number, came_here, arrived);
            }
            path.counts.other_stream += 1;
            return Fate::Drop;
        }
        // One that came late counts as late.
        if let Some(used) = path.counts.used.checked_sub(1) {
            path.counts.used = used;
            path.counts.other_stream += 1;
        }
        if self.window.waits(number) {
            self.take(leg, number, arrived);
            return Fate::Hold(number, arrived);
        }
        // The wrong one was passed on.
        self.pass_both(leg, number, came_here, arrived)
    }

    /// Two packets of one number differ, and the essence gets both: it knows where the bytes belong. The one that came
    /// before its turn may be of a stranger.
    fn pass_both(&mut self, leg: Leg, number: u64, came_here: bool, arrived: Arrived) -> Fate {
        if mutant!("legs: a number is of the packet that has it first") {
            self.paths[leg as usize].counts.other_stream += 1;
            return Fate::Drop;
        }
        match came_here {
            true => self.paths[leg as usize].counts.used += 1,
            false => self.take(leg, number, arrived),
        }
        if !self.window.waits(number) {
            self.window.note(number, arrived);
        }
        Fate::Pass
    }

    /// Whether packets of the leg were seen to be those of the other, so that they can take their place.
    #[inline]
    fn is_proven(&mut self, leg: Leg, number: u64, arrived: &Arrived) -> bool {
        let now_ns = arrived.at_ns;
        let other = &self.paths[leg.other() as usize];
        let is_alone = !other.is_heard(now_ns, self.silence_ns);
        let path = &self.paths[leg as usize];
        if path.is_proven || is_alone || mutant!("legs: a leg is taken for the stream unproven") {
            self.paths[leg as usize].is_proven = true;
            return true;
        }
        let is_silent = !other.is_heard(now_ns, self.wait_ns);
        // What came before the stream began is nothing that it lacks.
        let has_begun = self.stream.is_some_and(|it| it.first <= number);
        let is_passed = has_begun && other.newest.is_some_and(|it| it > number);
        let begins = self.stream.is_some_and(|it| {
            number <= it.front.number + LONG && self.is_near(&it.front, number, arrived)
        });
        let most = self.window.len();
        let path = &mut self.paths[leg as usize];
        match is_passed {
            true => path.complement(),
            false => path.go_on(number, arrived.timestamp, (begins, self.ticks_ahead)),
        }
        if path.completes(is_silent) {
            path.prove(most);
            return true;
        }
        path.note_unproven();
        let next = self.stream.map_or(0, |it| it.next);
        if path.claim.is_none_or(|it| it.number < next) {
            path.claim = Some(Claim {
                number,
                timestamp: arrived.timestamp,
                content: arrived.content,
            });
        }
        false
    }

    /// The stream's packet of this number came on this leg, for the first time.
    #[inline]
    pub(super) fn accept(&mut self, leg: Leg, number: u64, arrived: &Arrived) {
        let (timestamp, now_ns) = (arrived.timestamp, arrived.at_ns);
        self.came_ns = now_ns;
        if !self.is_refused {
            self.heard_ns = now_ns;
        }
        let before = self.paths[leg as usize].newest;
        self.paths[leg as usize].accept(number, now_ns);
        let most = self.window.len();
        let other = &mut self.paths[leg.other() as usize];
        if let Some(before) = before.filter(|it| *it < number && !other.is_proven) {
            other.compare(before, number);
        }
        if let Some(claim) = other.claim.filter(|it| it.number == number) {
            if (claim.timestamp, claim.content) == (timestamp, arrived.content) {
                other.prove(most);
            }
            other.claim = None;
        }
        let Some(stream) = &mut self.stream else {
            return;
        };
        if number > stream.front.number {
            let at_ns = now_ns;
            stream.front = Front {
                number,
                timestamp,
                at_ns,
            };
        }
        if stream.reference != leg && !other.is_heard(now_ns, self.silence_ns) {
            stream.reference = leg;
        }
    }

    /// A packet of long ago.
    fn late(&mut self, leg: Leg, rtp: &RtpHeader, ticks: i64, now_ns: u64) -> Fate {
        let silent_ns = now_ns.saturating_sub(self.heard_ns);
        let (_, since_ns) = self.paths[leg as usize].note_stray(rtp, now_ns);
        // A link that is back may first bring what waited, before a poller that was held up sees the other leg.
        let is_restart =
            silent_ns >= self.silence_ns && now_ns.saturating_sub(since_ns) >= self.wait_ns;
        if is_restart || mutant!("legs: what a link brings late is a restart") {
            return Fate::Jump(*rtp, None);
        }
        let counts = &mut self.paths[leg as usize].counts;
        if ticks <= 0 {
            self.note_late(leg, ticks);
        } else {
            counts.other_stream += 1;
        }
        Fate::Drop
    }

    /// A packet that is not near the stream: of another one, unless this one is silent, and the leg brought one before that
    /// it follows.
    fn stray(&mut self, leg: Leg, rtp: &RtpHeader, missing: Option<u64>, now_ns: u64) -> Fate {
        let silent_ns = now_ns.saturating_sub(self.heard_ns);
        let is_same = self.stream.is_some_and(|it| it.ssrc == rtp.ssrc);
        let (in_a_row, _) = self.paths[leg as usize].note_stray(rtp, now_ns);
        // A poller that was held up finds a gap on both legs amid packets that came long ago.
        let other = &self.paths[leg.other() as usize];
        let has_gap = missing.is_some()
            && !mutant!("legs: a gap on both waits for a silence")
            && (other.strays() >= AGREE || !other.is_heard(now_ns, self.wait_ns));
        let agrees = is_same && in_a_row >= AGREE && (has_gap || silent_ns >= self.wait_ns);
        let path = &mut self.paths[leg as usize];
        let is_other = silent_ns >= self.silence_ns
            && (path.strangers.note(rtp) || mutant!("legs: one packet is a new source"));
        if !is_other && !agrees {
            path.counts.other_stream += 1;
            return Fate::Drop;
        }
        Fate::Jump(*rtp, missing)
    }
}
