//! State of one leg.

use onair_mutant::mutant;

use super::leg::LegCounts;
use crate::pace::Losses;
use crate::rtp::RtpHeader;
use crate::source::Strangers;

/// A packet of a leg that is not proven yet: it is, if the other leg brings the same.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claim {
    pub(super) number: u64,
    pub(super) timestamp: u32,
    pub(super) content: [u8; 3],
}

/// Packets that the other leg lost, and this one brought, before it is proven.
const COMPLEMENTS: u64 = 4;
/// Packets of it in a row while the other one is silent, before it is proven.
const IN_A_ROW: u64 = 16;

/// Packets in a row with which a leg that is not proven goes on where the stream stands.
#[derive(Debug, Clone, Copy)]
struct Continuation {
    first: u64,
    last: u64,
    timestamp: u32,
}

/// State of one leg.
#[derive(Debug, Default)]
pub(super) struct Path {
    pub(super) counts: LegCounts,
    losses: Losses,
    /// The highest number of the stream that it brought.
    pub(super) newest: Option<u64>,
    /// When it last brought a packet of the stream.
    heard_ns: Option<u64>,
    /// The synchronisation source of its last packet.
    ssrc: Option<u32>,
    /// The last one that is not the stream's.
    pub(super) other_ssrc: Option<u32>,
    /// A packet of it was the same as one of the other leg, or it brought what that one did not.
    pub(super) is_proven: bool,
    pub(super) claim: Option<Claim>,
    continuation: Option<Continuation>,
    /// So many of its packets the other leg did not bring.
    complements: u64,
    /// Whether it was proven since the stream began.
    has_begun: bool,
    /// Packets that were refused before.
    unproven: u64,
    /// Sequence number of the last packet of another stream, how many came in a row, and since when.
    strays: (u16, u32, u64),
    /// Sequence number of the last packet that was set aside, how many came in a row, and since its highest number.
    asides: (u16, u32, u64),
    /// While the stream is silent.
    pub(super) strangers: Strangers,
}

impl Path {
    /// Of a stream of so many packets a second.
    pub(super) fn new(packets_a_second: u64) -> Self {
        Self {
            losses: Losses::new(packets_a_second),
            ..Self::default()
        }
    }

    #[inline]
    pub(super) fn note_ssrc(&mut self, ssrc: u32) {
        if self.ssrc != Some(ssrc) {
            self.counts.ssrc_changes += u64::from(self.ssrc.is_some());
            self.ssrc = Some(ssrc);
        }
    }

    /// Whether it brought a packet of the stream within this time.
    #[inline]
    pub(super) fn is_heard(&self, now_ns: u64, within_ns: u64) -> bool {
        self.heard_ns
            .is_some_and(|it| now_ns.saturating_sub(it) < within_ns)
    }

    /// It brought this number for the first time.
    #[inline]
    pub(super) fn accept(&mut self, number: u64, now_ns: u64) {
        let heard_ns = self.heard_ns.replace(now_ns).unwrap_or(now_ns);
        self.strays.1 = 0;
        match self.newest {
            Some(newest) if number < newest => {
                self.counts.reordered += 1;
                self.arrive();
            }
            Some(newest) => {
                // Those that are refused are missing in no stream.
                let asides = std::mem::take(&mut self.asides.2);
                let missing = (number - newest).saturating_sub(1 + asides);
                if missing > 0 {
                    self.lose(missing, (heard_ns, now_ns));
                }
                self.newest = Some(number);
            }
            None => {
                self.lose(0, (heard_ns, now_ns));
                self.newest = Some(number);
            }
        }
    }

    fn lose(&mut self, missing: u64, times: (u64, u64)) {
        self.counts.lost += self.losses.count(missing, self.counts.packets, times);
    }

    /// A number that was missing came.
    pub(super) const fn arrive(&mut self) {
        let lost = self.counts.lost;
        self.counts.lost = lost.saturating_sub(self.losses.arrive(1));
    }

    /// Packets of another stream in a row.
    pub(super) const fn strays(&self) -> u32 {
        self.strays.1
    }

    /// A packet of another stream. Returns how many came in a row, and since when.
    pub(super) fn note_stray(&mut self, rtp: &RtpHeader, now_ns: u64) -> (u32, u64) {
        let (last, count, since_ns) = self.strays;
        let follows = count > 0 && rtp.sequence == last.wrapping_add(1);
        let (count, since_ns) = if follows {
            (count.saturating_add(1), since_ns)
        } else {
            (1, now_ns)
        };
        self.strays = (rtp.sequence, count, since_ns);
        (count, since_ns)
    }

    /// A packet that is refused. Returns how many came in a row.
    pub(super) fn set_aside(&mut self, sequence: u16) -> u32 {
        let (last, count, since) = self.asides;
        let follows = count > 0 && sequence == last.wrapping_add(1);
        let count = if follows { count.saturating_add(1) } else { 1 };
        self.asides = (sequence, count, since + 1);
        count
    }

    /// Notes that a packet was refused because the leg is not proven.
    pub(super) fn note_unproven(&mut self) {
        self.counts.other_stream += 1;
        self.unproven += u64::from(!self.has_begun);
    }

    /// It is not proven, and brought a packet of the stream that the other leg did not bring yet. `begins`: it is where the
    /// stream stands. Not farther than `most_ticks` after the packet before.
    pub(super) fn go_on(&mut self, number: u64, timestamp: u32, (begins, most_ticks): (bool, u64)) {
        let follows = |it: &Continuation| {
            let ticks = u64::from(timestamp.wrapping_sub(it.timestamp));
            number == it.last + 1 && ticks <= most_ticks
        };
        let goes_on = self.continuation.filter(follows);
        self.continuation = match goes_on {
            Some(it) => Some(Continuation {
                last: number,
                timestamp,
                ..it
            }),
            None if begins => Some(Continuation {
                first: number,
                last: number,
                timestamp,
            }),
            None => self.continuation,
        };
    }

    /// The other leg brought a number after `before`. What lies between it did not bring; and what it brings is no
    /// complement.
    #[inline]
    pub(super) fn compare(&mut self, before: u64, number: u64) {
        if let Some(it) = self.continuation
            && number >= it.first
        {
            let missing = (it.last + 1)
                .min(number)
                .saturating_sub(it.first.max(before + 1));
            self.complements += missing;
            self.continuation = None;
            if number <= it.last {
                self.complements = 0;
            }
        }
    }

    /// It brought a number that the other leg has passed without.
    pub(super) const fn complement(&mut self) {
        self.complements += 1;
    }

    /// Its packets contradict those of the other leg.
    pub(super) const fn contradict(&mut self) {
        (self.continuation, self.complements) = (None, 0);
    }

    /// Whether its packets are those that the other leg lacks; `is_silent`: that one brings nothing.
    pub(super) fn completes(&self, is_silent: bool) -> bool {
        let in_a_row = self.continuation.map_or(0, |it| it.last + 1 - it.first);
        let is_one_enough = mutant!("legs: one packet proves a leg");
        self.complements >= COMPLEMENTS || is_silent && in_a_row >= IN_A_ROW || is_one_enough
    }

    /// The leg brings the stream: of those that were refused until its first proof, `most` were of it, too.
    #[inline]
    pub(super) fn prove(&mut self, most: u64) {
        self.is_proven = true;
        if !self.has_begun {
            self.has_begun = true;
            self.explain(self.unproven.min(most));
        }
    }

    /// So many of the packets that were refused were of the stream that is followed now.
    pub(super) fn explain(&mut self, packets: u64) {
        let counts = &mut self.counts;
        let packets = packets.min(counts.other_stream);
        counts.other_stream -= packets;
        counts.before_restart += packets;
    }

    /// Forgets the stream.
    pub(super) fn forget(&mut self) {
        *self = Self {
            counts: self.counts,
            losses: self.losses,
            ssrc: self.ssrc,
            ..Self::default()
        };
    }
}
