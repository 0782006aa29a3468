//! A source that may have restarted with other sequence numbers and timestamps, and other sources.

use onair_mutant::mutant;

use crate::pace::Vouched;
use crate::receive::ReceiveStats;
use crate::rtp::RtpHeader;

/// Packets in a row that agree with each other before their source counts as restarted.
const PACKETS: u32 = 16;

/// How far sequence numbers and timestamps (1 s of 90 kHz) of two such packets may be apart: the
/// network loses and reorders theirs, too.
const NUMBERS_APART: u16 = 64;
const TICKS_APART: u32 = 90_000;

/// Streams that are remembered: so many packets of others may come between two of one.
const CANDIDATES: usize = 8;

/// The last packets of a stream that contradict what was seen of the current source.
#[derive(Debug, Clone, Copy, Default)]
struct Candidate {
    sequence: u16,
    timestamp: u32,
    packets: u32,
}

/// Streams as which the source may go on, the last one first. No packet of one ends another.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Candidates([Candidate; CANDIDATES]);

impl Candidates {
    /// Notes such a packet. Returns whether there were enough that agree with each other.
    pub(crate) fn note(&mut self, rtp: &RtpHeader) -> bool {
        let near = |numbers: u16, ticks: u32| {
            numbers.cast_signed().unsigned_abs() <= NUMBERS_APART
                && ticks.cast_signed().unsigned_abs() <= TICKS_APART
        };
        self.count(rtp, near) > PACKETS
    }

    /// The same, of packets that follow each other without a gap.
    pub(crate) fn note_next(&mut self, rtp: &RtpHeader) -> bool {
        self.count(rtp, |numbers, ticks| numbers == 1 && ticks <= TICKS_APART) > PACKETS
    }

    /// Notes a packet of the stream that `agrees`, by how far number and timestamp are after its last packet. Returns its
    /// packets.
    pub(crate) fn count(&mut self, rtp: &RtpHeader, agrees: impl Fn(u16, u32) -> bool) -> u32 {
        let Self(all) = self;
        let is_its = |it: &Candidate| {
            let numbers = rtp.sequence.wrapping_sub(it.sequence);
            it.packets > 0 && agrees(numbers, rtp.timestamp.wrapping_sub(it.timestamp))
        };
        let known = all.iter().position(is_its);
        let known = known.filter(|it| *it == 0 || !mutant!("source: a packet ends a candidate"));
        let place = known.unwrap_or(CANDIDATES - 1);
        let before = known.map_or(0, |it| all[it].packets);
        all[..=place].rotate_right(1);
        all[0] = Candidate {
            sequence: rtp.sequence,
            timestamp: rtp.timestamp,
            packets: before.saturating_add(1),
        };
        all[0].packets
    }
}

/// Other sources that are remembered: so many packets of others may come between two of one.
const STRANGERS: usize = 64;
/// How far the sequence numbers of two packets of one source may be apart.
const FOLLOWS_WITHIN: u16 = 64;

/// The last packets of other sources while the current one is silent. No single packet makes a source the current one:
/// an attacker that invents a source for each packet would be followed after every pause.
#[derive(Debug)]
pub(crate) struct Strangers {
    ssrcs: [u32; STRANGERS],
    numbers: [u16; STRANGERS],
    /// So many were noted.
    noted: usize,
}

impl Default for Strangers {
    fn default() -> Self {
        Self {
            ssrcs: [0; STRANGERS],
            numbers: [0; STRANGERS],
            noted: 0,
        }
    }
}

impl Strangers {
    /// Notes a packet. Returns whether one of its source, with a number a little lower, came before.
    pub(crate) fn note(&mut self, rtp: &RtpHeader) -> bool {
        let known = self.noted.min(STRANGERS);
        let mut places = 0..known;
        let before = places.find(|it| self.ssrcs[*it] == rtp.ssrc);
        let place = before.unwrap_or(self.noted % STRANGERS);
        let after = rtp.sequence.wrapping_sub(self.numbers[place]);
        self.noted += usize::from(before.is_none());
        (self.ssrcs[place], self.numbers[place]) = (rtp.ssrc, rtp.sequence);
        before.is_some() && (1..=FOLLOWS_WITHIN).contains(&after)
    }

    pub(crate) const fn forget(&mut self) {
        self.noted = 0;
    }
}

/// Treatment of a packet from another source than the current one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// The current one sends: the packet was counted.
    Stay,
    /// It is the only packet of its source.
    Doubt,
    /// Its source is the current one now.
    Follow,
}

/// Follows another source unless the current one sends: two sources in one flow must not undo each other's units.
pub(crate) fn turn_to(
    ssrc: u32,
    (current, other): (&mut Option<u32>, &mut Option<u32>),
    is_silent: bool,
    vouched: Vouched,
    stats: &mut ReceiveStats,
) -> Turn {
    if current.is_some() && !is_silent {
        *other = Some(ssrc);
        stats.other_ssrc_packets += 1;
        return Turn::Stay;
    }
    let one_is_enough = current.is_none()
        || vouched == Vouched::ByAnother
        || mutant!("source: one packet is a new one");
    if !one_is_enough {
        return Turn::Doubt;
    }
    let changes = u64::from(current.replace(ssrc).is_some());
    stats.ssrc_changes += changes;
    stats.restarts += changes;
    Turn::Follow
}
