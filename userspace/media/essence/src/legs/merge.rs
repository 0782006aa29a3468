//! Makes one stream of the packets of two legs.

use onair_mutant::mutant;

use super::config::MergeConfig;
use super::leg::{JointCounts, Leg, LegCounts, Onward};
use super::path::Path;
use super::skew::Skew;
use super::window::{Arrived, Window, content, pass};
use crate::pace::Losses;
use crate::rtp::{PayloadTypes, RtpHeader};

/// The first number: a restart, and any estimate by timestamps, stays above 0.
const FIRST: u64 = 1 << 40;

/// Packets that may be missing in a row on both legs, before one behind them needs another that agrees with it.
pub(super) const LONG: u64 = 8;

/// The stream that is followed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stream {
    pub(super) ssrc: u32,
    /// Its first number: those below it are not missing.
    pub(super) first: u64,
    /// The number that is passed on next.
    pub(super) next: u64,
    /// Timestamp of the last packet that was passed on.
    pub(super) timestamp: u32,
    /// The leg that is right where the two contradict each other.
    pub(super) reference: Leg,
    pub(super) front: Front,
}

/// The highest packet of the stream that came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Front {
    pub(super) number: u64,
    pub(super) timestamp: u32,
    pub(super) at_ns: u64,
}

/// Treatment of a packet.
pub(super) enum Fate {
    Pass,
    Drop,
    Hold(u64, Arrived),
    /// It waits for another that agrees with it.
    Keep(u64, Arrived),
    /// It agrees with what this leg brought before.
    Agree(Leg, u64, Arrived),
    /// The stream goes on with it: after so many missing packets, or anew.
    Jump(RtpHeader, Option<u64>),
}

/// Merges two legs: the first copy of each packet is passed on, in the order of the numbers. Allocates only in
/// its constructor.
#[derive(Debug)]
pub struct Merge {
    pub(super) payload_types: PayloadTypes,
    pub(super) wait_ns: u64,
    pub(super) silence_ns: u64,
    pub(super) most_ticks: i64,
    /// How far ahead a packet's timestamp may be, beside the time since the last one.
    pub(super) ticks_ahead: u64,
    pub(super) clock_hz: u64,
    /// In 65,536ths.
    pub(super) packets_a_tick: i64,
    pub(super) window: Window,
    pub(super) stream: Option<Stream>,
    /// When either leg last brought a packet of the stream.
    pub(super) heard_ns: u64,
    /// The same, of any packet that has a number of the stream.
    pub(super) came_ns: u64,
    /// The essence refuses the packet that is sorted.
    pub(super) is_refused: bool,
    /// The packet that is missing while others wait, and since when: since the first of them came, and none came in
    /// order.
    stalled: (u64, u64),
    /// When the last packet came in order.
    pub(super) in_order_ns: u64,
    /// The numbers below it were used before a pause.
    used: u64,
    pub(super) paths: [Path; 2],
    losses: Losses,
    pub(super) joint: JointCounts,
    pub(super) skew: Skew,
}

impl Merge {
    /// A merge without packets.
    #[must_use]
    pub fn new(config: &MergeConfig) -> Self {
        let wait_ns = config.wait_ns();
        let hz = u64::from(config.clock_hz.max(1));
        let ticks = hz.saturating_mul(wait_ns) / 1_000_000_000 + hz;
        let rate = config.rate();
        let ahead_ns = wait_ns.saturating_add(config.period_ns.saturating_mul(2));
        Self {
            payload_types: config.payload_types,
            wait_ns,
            silence_ns: config.silence_ns.max(wait_ns),
            most_ticks: i64::try_from(ticks).unwrap_or(i64::MAX),
            ticks_ahead: hz.saturating_mul(ahead_ns) / 1_000_000_000,
            clock_hz: hz,
            packets_a_tick: i64::try_from((rate << 16) / hz).unwrap_or(i64::MAX),
            window: Window::new(config.packets(), config.packet_bytes),
            stream: None,
            heard_ns: 0,
            came_ns: 0,
            is_refused: false,
            stalled: (0, 0),
            in_order_ns: 0,
            used: FIRST,
            paths: [(); 2].map(|()| Path::new(config.packets_a_second)),
            losses: Losses::new(config.packets_a_second),
            joint: JointCounts::default(),
            skew: Skew::new(),
        }
    }

    /// Handles packets of a leg, at most 64, each from its RTP header on, received at `now_ns` of a monotonic
    /// clock. `out` gets those that can be passed on, in order. Returns a bit for each that was not known
    /// before, the lowest for the first.
    pub fn push(&mut self, leg: Leg, packets: &[&[u8]], now_ns: u64, out: &mut impl Onward) -> u64 {
        let (mut first, mut fresh) = (0, 0);
        for (at, packet) in packets.iter().enumerate() {
            let bit = 1u64 << (at & 63);
            match self.sort(leg, packet, now_ns, out) {
                Fate::Pass if self.window.waiting() == 0 => {
                    fresh |= bit;
                    continue;
                }
                Fate::Pass => {
                    fresh |= bit;
                    out.pass(&packets[first..=at]);
                }
                Fate::Drop => pass(&packets[first..at], out),
                Fate::Hold(number, arrived) => {
                    fresh |= bit;
                    pass(&packets[first..at], out);
                    self.hold(leg, (number, arrived), packet, out);
                }
                Fate::Keep(number, arrived) => {
                    fresh |= bit;
                    pass(&packets[first..at], out);
                    self.keep(leg, (number, arrived), packet);
                }
                Fate::Agree(with, number, arrived) => {
                    fresh |= bit;
                    pass(&packets[first..at], out);
                    self.hold_kept(with, now_ns, out);
                    match self.window.arrived(number) {
                        Some(before) => _ = self.copy(leg, number, before, arrived),
                        None => {
                            self.take(leg, number, arrived);
                            self.hold(leg, (number, arrived), packet, out);
                        }
                    }
                }
                Fate::Jump(rtp, missing) => {
                    fresh |= bit;
                    pass(&packets[first..at], out);
                    self.empty(out);
                    self.begin(leg, (&rtp, packet), missing, now_ns);
                    first = at;
                    continue;
                }
            }
            first = at + 1;
            // What is missing may be among the next ones: a poller that was held up finds all at once.
            self.settle(now_ns, Self::is_passed, out);
        }
        pass(&packets[first..], out);
        self.settle(now_ns, Self::gives_up, out);
        fresh
    }

    /// Gives up packets that are missing for too long.
    pub fn expire(&mut self, now_ns: u64, out: &mut impl Onward) {
        for leg in Leg::BOTH {
            let kept = self.window.kept(leg);
            if kept.is_none_or(|(_, it, _)| now_ns < it.at_ns.saturating_add(self.silence_ns)) {
                continue;
            }
            if self.is_silent(now_ns) {
                self.hold_kept(leg, now_ns, out);
            } else {
                self.drop_kept(leg);
            }
        }
        self.settle(now_ns, Self::gives_up, out);
    }

    /// When [`Self::expire`] next has work; `None` if no packet waits.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        let hole = (self.window.waiting() > 0).then(|| self.stalled.1.saturating_add(self.wait_ns));
        let kept = Leg::BOTH
            .into_iter()
            .filter_map(|leg| self.window.kept(leg));
        let kept = kept.map(|(_, it, _)| it.at_ns.saturating_add(self.silence_ns));
        kept.chain(hole).min()
    }

    /// Forgets the stream and the packets that wait. The counters stay.
    pub fn reset(&mut self) {
        self.window.clear();
        if let Some(stream) = self.stream.take() {
            self.used = self.after(&stream);
        }
        self.paths.iter_mut().for_each(Path::forget);
        self.skew.reset();
    }

    /// A number above all those of a stream.
    const fn after(&self, stream: &Stream) -> u64 {
        stream.next + 4 * self.window.len()
    }

    /// From now on the packets of each leg have this RTP payload type.
    pub const fn set_payload_types(&mut self, types: PayloadTypes) {
        self.payload_types = types;
    }

    /// Counters of a leg.
    #[must_use]
    pub const fn leg(&self, leg: Leg) -> &LegCounts {
        &self.paths[leg as usize].counts
    }

    /// The last other synchronisation source of a leg.
    #[must_use]
    pub const fn other_ssrc(&self, leg: Leg) -> Option<u32> {
        self.paths[leg as usize].other_ssrc
    }

    /// Counters of both.
    #[must_use]
    pub const fn joint(&self) -> &JointCounts {
        &self.joint
    }

    /// Whether each place for a packet is free, or has one that waits: for tests.
    #[doc(hidden)]
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.window.is_whole()
    }

    /// How far the legs are apart.
    #[must_use]
    pub const fn skew(&self) -> &Skew {
        &self.skew
    }

    /// The stream goes on with this packet of a leg: `missing` packets after the next one, or anew.
    fn begin(
        &mut self,
        leg: Leg,
        (rtp, packet): (&RtpHeader, &[u8]),
        missing: Option<u64>,
        now_ns: u64,
    ) {
        let number = match (&self.stream, missing) {
            (Some(stream), Some(missing)) => {
                let next = stream.next;
                self.lose(missing, now_ns);
                next + missing
            }
            (before, _) => {
                self.joint.restarts += u64::from(before.is_some());
                let after = before.map_or(self.used, |it| self.after(&it));
                Leg::BOTH
                    .into_iter()
                    .for_each(|leg| self.window.drop_kept(leg));
                for path in &mut self.paths {
                    // The last one of this leg is used.
                    path.explain(path.strays().into());
                    path.forget();
                }
                (after | 0xffff) + 1 + u64::from(rtp.sequence)
            }
        };
        let first = match (&self.stream, missing) {
            (Some(stream), Some(_)) => stream.first,
            _ => number,
        };
        self.stream = Some(Stream {
            ssrc: rtp.ssrc,
            first,
            next: number + 1,
            timestamp: rtp.timestamp,
            reference: leg,
            front: Front {
                number,
                timestamp: rtp.timestamp,
                at_ns: now_ns,
            },
        });
        self.paths[leg as usize].prove(0);
        let arrived = Arrived {
            at_ns: now_ns,
            timestamp: rtp.timestamp,
            content: RtpHeader::parse(packet).map_or([0; 3], |it| content(it.1)),
            legs: leg.bit(),
        };
        self.take(leg, number, arrived);
        self.window.note(number, arrived);
    }

    /// A packet of the stream that came before its copy.
    #[inline]
    pub(super) fn take(&mut self, leg: Leg, number: u64, arrived: Arrived) {
        self.accept(leg, number, &arrived);
        self.paths[leg as usize].counts.used += 1;
    }

    /// Lets a packet wait for those before it.
    fn hold(
        &mut self,
        leg: Leg,
        (number, arrived): (u64, Arrived),
        packet: &[u8],
        out: &mut impl Onward,
    ) {
        self.make_room(number, out);
        if self.window.hold(number, arrived, packet) {
            self.joint.held += 1;
        } else {
            self.paths[leg as usize].counts.oversized += 1;
            out.pass(&[packet]);
        }
    }

    /// Keeps a packet until another agrees with it. It counts as one of another stream until then.
    fn keep(&mut self, leg: Leg, kept: (u64, Arrived), packet: &[u8]) {
        self.drop_kept(leg);
        let counts = &mut self.paths[leg as usize].counts;
        counts.other_stream += 1;
        if self.window.keep(leg, kept, counts.packets, packet) {
            self.joint.held += 1;
        } else {
            counts.oversized += 1;
        }
    }

    /// Forgets what is kept of a leg. If its copy came on the other one, it was of the stream.
    fn drop_kept(&mut self, leg: Leg) {
        let kept = self.window.kept(leg);
        let copy = kept.and_then(|(number, it, _)| Some((it, self.window.arrived(number)?)));
        let is_copy = |it: &Arrived, copy: &Arrived| {
            it.timestamp == copy.timestamp && copy.legs & leg.bit() == 0
        };
        if copy.is_some_and(|(it, copy)| is_copy(&it, &copy)) {
            let path = &mut self.paths[leg as usize];
            path.counts.other_stream = path.counts.other_stream.saturating_sub(1);
            path.counts.duplicate += 1;
            path.arrive();
        }
        self.window.drop_kept(leg);
    }

    /// Another packet agrees with what is kept of a leg: it is of the stream.
    fn hold_kept(&mut self, leg: Leg, now_ns: u64, out: &mut impl Onward) {
        let (Some((number, arrived, _)), Some(stream)) = (self.window.kept(leg), self.stream)
        else {
            return;
        };
        if number < stream.next || self.window.arrived(number).is_some() {
            return self.drop_kept(leg);
        }
        let counts = &mut self.paths[leg as usize].counts;
        counts.other_stream = counts.other_stream.saturating_sub(1);
        let at_ns = now_ns;
        self.take(leg, number, Arrived { at_ns, ..arrived });
        self.make_room(number, out);
        self.window.hold_kept(leg);
    }

    /// Gives up missing packets that were sent too long before this one to come in time.
    fn make_room(&mut self, number: u64, out: &mut impl Onward) {
        let least = (number + 1).saturating_sub(self.window.len());
        // Each turn brings the next number nearer to `least`, or takes a packet that waits.
        while let Some(stream) = self.stream.filter(|it| it.next < least) {
            let before = (self.window.waiting(), least - stream.next);
            self.skip(least);
            self.drain(out);
            let left = least.saturating_sub(self.stream.map_or(least, |it| it.next));
            debug_assert!((self.window.waiting(), left) < before, "{before:?}");
        }
    }

    /// Passes on what waits for nothing any more, and for nothing that `is_lost`.
    fn settle(&mut self, now_ns: u64, is_lost: impl Fn(&Self, u64) -> bool, out: &mut impl Onward) {
        if self.window.waiting() == 0 {
            return;
        }
        self.forget_old();
        self.drain(out);
        // Each turn takes one at least of those that wait.
        while self.window.waiting() > 0 {
            let before = self.window.waiting();
            self.note_stall();
            if !is_lost(self, now_ns) {
                return;
            }
            self.skip(u64::MAX);
            self.drain(out);
            debug_assert!(self.window.waiting() < before, "the lowest was taken");
        }
    }

    /// Forgets packets that have waited for so long while the stream went on before them: no class makes its legs
    /// so far apart. Else each takes the place of a packet that is yet to be sent.
    fn forget_old(&mut self) {
        let most_ns = self.silence_ns.max(2 * self.wait_ns);
        // Each turn takes one of those that wait.
        while let Some((number, came_ns)) = self.window.lowest()
            && self.in_order_ns.saturating_sub(came_ns) >= most_ns
            && !mutant!("legs: a packet far ahead waits for its turn")
        {
            let legs = self.window.arrived(number).map_or(0, |it| it.legs);
            let mut brought = Leg::BOTH.into_iter().filter(|it| legs & it.bit() != 0);
            let leg = brought.next().unwrap_or(Leg::First);
            self.window.forget(number);
            let counts = &mut self.paths[leg as usize].counts;
            if let Some(used) = counts.used.checked_sub(1) {
                counts.used = used;
                counts.other_stream += 1;
            }
        }
    }

    /// Passes on what waits, in order, without what is missing.
    fn empty(&mut self, out: &mut impl Onward) {
        self.settle(0, |_, _| true, out);
    }

    /// Holes in a row do not add their times: a packet waits no longer than its class. Behind a long hole it waits while
    /// the packets before that go on to come.
    fn note_stall(&mut self) {
        let (Some(stream), Some((lowest, came_ns))) = (&self.stream, self.window.lowest()) else {
            return;
        };
        if self.stalled.0 != stream.next {
            let is_long = lowest.saturating_sub(stream.next) > LONG;
            let since_ns = if is_long { self.in_order_ns } else { 0 };
            self.stalled = (stream.next, came_ns.max(since_ns));
        }
    }

    /// Whether both legs have passed the next packet.
    fn is_passed(&self, _now_ns: u64) -> bool {
        let next = self.stream.map_or(0, |it| it.next);
        let mut paths = self.paths.iter();
        paths.all(|it| it.newest.is_some_and(|it| it > next))
    }

    /// Whether the next packet is missing for too long, or on each leg that is there.
    fn gives_up(&self, now_ns: u64) -> bool {
        let Some(stream) = &self.stream else {
            return true;
        };
        let is_late = now_ns.saturating_sub(self.stalled.1) >= self.wait_ns
            || mutant!("legs: a hole is given up at once");
        let mut paths = self.paths.iter();
        is_late
            || paths.all(|it| {
                !(it.is_heard(now_ns, self.silence_ns)
                    || mutant!("legs: a leg that is gone is waited for"))
                    || it.newest.is_some_and(|it| it > stream.next)
            })
    }

    /// Gives up the packets that are missing before the lowest that waits, and before `end`.
    fn skip(&mut self, end: u64) {
        let Some(stream) = &mut self.stream else {
            return;
        };
        let lowest = self.window.lowest().map_or(end, |it| it.0);
        let found = lowest.min(end).max(stream.next);
        let missing = found - stream.next - self.window.set_aside_of(stream.next..found);
        stream.next = found;
        self.lose(missing, self.came_ns);
        // What waits goes on to wait for as long.
        self.stalled.0 = found;
    }

    /// Both legs lack packets before one that came by now.
    fn lose(&mut self, missing: u64, now_ns: u64) {
        let packets = self.paths.iter().map(|it| it.counts.packets);
        let came = packets.max().unwrap_or(0);
        self.joint.lost += self.losses.count(missing, came, (self.came_ns, now_ns));
    }

    /// A packet that counted as lost came.
    pub(super) const fn arrive(&mut self) {
        let lost = self.joint.lost;
        self.joint.lost = lost.saturating_sub(self.losses.arrive(1));
    }

    /// Passes on the next packets as far as they came.
    fn drain(&mut self, out: &mut impl Onward) {
        let Some(stream) = &mut self.stream else {
            // None waits without a stream.
            return self.window.clear();
        };
        if let Some((next, timestamp)) = self.window.drain(stream.next, out) {
            stream.next = next;
            stream.timestamp = timestamp.unwrap_or(stream.timestamp);
        }
    }
}
