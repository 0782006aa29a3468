//! Makes one stream of the packets of two legs.

use arrayvec::ArrayVec;
use onair_mutant::mutant;

use super::config::MergeConfig;
use super::counts::{JointCounts, LegCounts};
use super::path::Path;
use super::skew::Skew;
use super::window::{Arrived, Window};
use crate::rtp::RtpHeader;

/// Packets passed on together.
const BATCH: usize = 32;
/// The first number: a restart, and any estimate by timestamps, stays above 0.
const FIRST: u64 = 1 << 40;

/// One of the two legs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leg {
    /// The leg of the session's own port.
    First,
    /// The other.
    Second,
}

impl Leg {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::First, Self::Second];

    pub(super) const fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }

    pub(super) const fn bit(self) -> u8 {
        1 << self as u8
    }
}

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
}

/// What becomes of a packet.
pub(super) enum Fate {
    Pass,
    Drop,
    Hold(u64, Arrived),
    /// The stream goes on with it: after so many missing packets, or anew.
    Jump(RtpHeader, Option<u64>),
}

/// Merges two legs: the first copy of each packet is passed on, in the order of the numbers. Allocates only in
/// its constructor.
#[derive(Debug)]
pub struct Merge {
    pub(super) payload_type: u8,
    pub(super) wait_ns: u64,
    pub(super) silence_ns: u64,
    pub(super) most_ticks: i64,
    /// In 65,536ths.
    pub(super) packets_a_tick: i64,
    pub(super) window: Window,
    pub(super) stream: Option<Stream>,
    /// When either leg last brought a packet of the stream.
    pub(super) heard_ns: u64,
    /// The packet that is missing while others wait, and since when: since the first of them came.
    stalled: (u64, u64),
    pub(super) paths: [Path; 2],
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
        Self {
            payload_type: config.payload_type,
            wait_ns,
            silence_ns: config.silence_ns.max(wait_ns),
            most_ticks: i64::try_from(ticks).unwrap_or(i64::MAX),
            packets_a_tick: i64::try_from((rate << 16) / hz).unwrap_or(i64::MAX),
            window: Window::new(config.packets(), config.packet_bytes),
            stream: None,
            heard_ns: 0,
            stalled: (0, 0),
            paths: Default::default(),
            joint: JointCounts::default(),
            skew: Skew::new(),
        }
    }

    /// Handles packets of a leg, at most 64, each from its RTP header on, received at `now_ns` of a monotonic
    /// clock. `out` gets those that can be passed on, in order. Returns a bit for each that was not known
    /// before, the lowest for the first.
    pub fn push(
        &mut self,
        leg: Leg,
        packets: &[&[u8]],
        now_ns: u64,
        mut out: impl FnMut(&[&[u8]]),
    ) -> u64 {
        let (mut first, mut fresh) = (0, 0);
        for (at, packet) in packets.iter().enumerate() {
            let bit = 1u64 << (at & 63);
            match self.sort(leg, packet, now_ns) {
                Fate::Pass if self.window.waiting() == 0 => {
                    fresh |= bit;
                    continue;
                }
                Fate::Pass => {
                    fresh |= bit;
                    out(&packets[first..=at]);
                }
                Fate::Drop => pass(&packets[first..at], &mut out),
                Fate::Hold(number, arrived) => {
                    fresh |= bit;
                    pass(&packets[first..at], &mut out);
                    self.hold(number, arrived, packet, &mut out);
                }
                Fate::Jump(rtp, missing) => {
                    fresh |= bit;
                    pass(&packets[first..at], &mut out);
                    self.empty(&mut out);
                    self.begin(leg, &rtp, missing, now_ns);
                    first = at;
                    continue;
                }
            }
            first = at + 1;
            // What is missing may be among the next ones: a poller that was held up finds all at once.
            self.settle(now_ns, Self::is_passed, &mut out);
        }
        pass(&packets[first..], &mut out);
        self.settle(now_ns, Self::gives_up, &mut out);
        fresh
    }

    /// Gives up packets that are missing for too long.
    pub fn expire(&mut self, now_ns: u64, mut out: impl FnMut(&[&[u8]])) {
        self.settle(now_ns, Self::gives_up, &mut out);
    }

    /// When [`Self::expire`] next has work; `None` if no packet waits.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        (self.window.waiting() > 0).then(|| self.stalled.1.saturating_add(self.wait_ns))
    }

    /// Forgets the stream and the packets that wait. The counters stay.
    pub fn reset(&mut self) {
        self.window.clear();
        self.stream = None;
        self.paths.iter_mut().for_each(Path::forget);
        self.skew.reset();
    }

    /// From now on packets have this RTP payload type, 0 to 127.
    pub const fn set_payload_type(&mut self, payload_type: u8) {
        self.payload_type = payload_type;
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

    /// How far the legs are apart.
    pub const fn skew(&mut self) -> &mut Skew {
        &mut self.skew
    }

    /// The stream goes on with this packet of a leg: `missing` packets after the next one, or anew.
    fn begin(&mut self, leg: Leg, rtp: &RtpHeader, missing: Option<u64>, now_ns: u64) {
        let number = match (&self.stream, missing) {
            (Some(stream), Some(missing)) => {
                self.joint.lost += missing;
                stream.next + missing
            }
            (before, _) => {
                self.joint.restarts += u64::from(before.is_some());
                self.paths.iter_mut().for_each(Path::forget);
                let after = before.map_or(FIRST, |it| it.next + 4 * self.window.len());
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
        });
        let path = &mut self.paths[leg as usize];
        path.is_proven = true;
        path.counts.used += 1;
        self.accept(leg, number, rtp.timestamp, now_ns);
        let arrived = Arrived {
            at_ns: now_ns,
            timestamp: rtp.timestamp,
            legs: leg.bit(),
        };
        self.window.note(number, arrived);
    }

    fn hold(
        &mut self,
        number: u64,
        arrived: Arrived,
        packet: &[u8],
        out: &mut impl FnMut(&[&[u8]]),
    ) {
        self.make_room(number, out);
        if self.window.hold(number, arrived, packet) {
            self.joint.held += 1;
        } else {
            // Larger than any packet of the port.
            self.window.note(number, arrived);
            out(&[packet]);
        }
    }

    /// Gives up missing packets that were sent too long before this one to come in time.
    fn make_room(&mut self, number: u64, out: &mut impl FnMut(&[&[u8]])) {
        let least = (number + 1).saturating_sub(self.window.len());
        while self.stream.is_some_and(|it| it.next < least) {
            self.skip(least);
            self.drain(out);
        }
    }

    /// Passes on what waits for nothing any more, and for nothing that `is_lost`.
    fn settle(
        &mut self,
        now_ns: u64,
        is_lost: impl Fn(&Self, u64) -> bool,
        out: &mut impl FnMut(&[&[u8]]),
    ) {
        while self.window.waiting() > 0 {
            self.drain(out);
            self.note_stall(now_ns);
            if self.window.waiting() == 0 || !is_lost(self, now_ns) {
                return;
            }
            self.skip(u64::MAX);
        }
    }

    /// Holes in a row do not add their times: a packet waits no longer than its class.
    fn note_stall(&mut self, now_ns: u64) {
        let next = self.stream.map_or(0, |it| it.next);
        if self.window.waiting() > 0 && self.stalled.0 != next {
            let mut behind = next..next + self.window.len();
            let first = behind.find_map(|it| self.window.arrived(it));
            self.stalled = (next, first.map_or(now_ns, |it| it.at_ns));
        }
    }

    /// Passes on what waits, in order, without what is missing.
    fn empty(&mut self, out: &mut impl FnMut(&[&[u8]])) {
        while self.window.waiting() > 0 {
            if !self.drain(out) {
                self.skip(u64::MAX);
            }
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

    /// Gives up the next packet, and those that are missing after it, before `end`.
    fn skip(&mut self, end: u64) {
        let Some(stream) = &mut self.stream else {
            return;
        };
        let end = end.min(stream.next + self.window.len());
        let found = (stream.next..end).find(|it| self.window.arrived(*it).is_some());
        let found = found.unwrap_or(end);
        self.joint.lost += found - stream.next;
        stream.next = found;
        // What waits goes on to wait for as long.
        self.stalled.0 = found;
    }

    /// Passes on the next packets as far as they came. Whether there were any.
    fn drain(&mut self, out: &mut impl FnMut(&[&[u8]])) -> bool {
        let Some(stream) = &mut self.stream else {
            return false;
        };
        let begin = stream.next;
        loop {
            let start = stream.next;
            let mut batch = ArrayVec::<&[u8], BATCH>::new();
            while !batch.is_full()
                && let Some(arrived) = self.window.arrived(stream.next)
            {
                batch.extend(self.window.bytes(stream.next));
                stream.timestamp = arrived.timestamp;
                stream.next += 1;
            }
            pass(&batch, out);
            drop(batch);
            for number in start..stream.next {
                self.window.release(number);
            }
            if start == stream.next {
                return begin != stream.next;
            }
        }
    }
}

fn pass(packets: &[&[u8]], out: &mut impl FnMut(&[&[u8]])) {
    if !packets.is_empty() {
        out(packets);
    }
}
