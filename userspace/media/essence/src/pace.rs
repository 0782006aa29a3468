//! How fast units can begin, so that no packet costs a unit: by their timestamps, and by the clock.

use onair_mutant::mutant;

use crate::receive::ReceiveStats;
use crate::rtp::RtpHeader;
use crate::sequence::WINDOW;

/// Units of a period that begin and stay incomplete, at most.
const A_PERIOD: u32 = 4;
/// As many more at once: a thread that was held up finds the packets of some time.
const AT_ONCE: u64 = 64;
/// How far a timestamp may be ahead of the time since the last packet, in periods.
const PERIODS_AHEAD: u32 = 2;
/// Sequence numbers that are lost in a row.
const LOST_IN_A_ROW: u64 = 1 << 10;
/// How far the sequence numbers of two packets that agree may be apart.
const AGREE_WITHIN: u16 = 64;
/// Bytes of the largest packet that is kept: what jumbo frames carry.
const MOST_BYTES: usize = 9_216;

/// Payload of a packet in bytes, as far as a format says: from 180 × 7 to 1,440.
pub(crate) const TYPICAL_BYTES: u64 = 1_300;

/// Packets of a unit of so many bytes, about.
pub(crate) const fn packets_of(bytes: usize) -> u64 {
    bytes as u64 / TYPICAL_BYTES + 1
}

/// How many missing numbers count as lost: as many as can have been sent in the time, or as came.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Losses {
    a_second: u64,
    /// So many more can have been lost by this time, when so many packets had come.
    left: u64,
    at_ns: Option<u64>,
    came: u64,
    /// Missing numbers that did not count.
    uncounted: u64,
}

impl Losses {
    /// For about so many packets a second.
    pub(crate) const fn new(a_second: u64) -> Self {
        Self {
            // Clocks and packets' sizes differ.
            a_second: a_second + a_second / 8,
            left: LOST_IN_A_ROW,
            at_ns: None,
            came: 0,
            uncounted: 0,
        }
    }

    /// How many of these missing numbers count as lost. Packets came until `heard_ns`, so many, and again at `now_ns`.
    pub(crate) fn count(&mut self, missing: u64, came: u64, (heard_ns, now_ns): (u64, u64)) -> u64 {
        self.earn(came, heard_ns);
        // A pause is as long as it is. Else an old stream could lose all at once.
        self.left = self.left.min(self.a_second.max(WINDOW));
        self.earn(came, now_ns);
        let counted = match mutant!("losses: any hole counts") {
            true => missing,
            false => missing.min(self.left),
        };
        self.left = self.left.saturating_sub(counted);
        self.uncounted = self.uncounted.saturating_add(missing - counted);
        counted
    }

    fn earn(&mut self, came: u64, now_ns: u64) {
        let since_ns = now_ns.saturating_sub(*self.at_ns.get_or_insert(now_ns));
        let sent = self.a_second.saturating_mul(since_ns / 1_000) / 1_000_000;
        let more = sent.max(came - self.came);
        if more > 0 {
            self.left = self.left.saturating_add(more);
            (self.at_ns, self.came) = (self.at_ns.max(Some(now_ns)), came);
        }
    }

    /// So many missing numbers came. Returns how many of them had counted as lost.
    pub(crate) const fn arrive(&mut self, numbers: u64) -> u64 {
        let counted = numbers.saturating_sub(self.uncounted);
        self.uncounted = self.uncounted.saturating_sub(numbers);
        counted
    }
}

/// How fast the units of a stream begin.
#[derive(Debug)]
pub(crate) struct Pace {
    /// Of a unit, in ticks of 90 kHz.
    period: u32,
    cost_ns: u64,
    /// Time that units may still cost, and when that was.
    left_ns: u64,
    at_ns: u64,
    losses: Losses,
}

impl Pace {
    /// The pace of `units` units in `seconds` seconds, of about so many packets each.
    pub(crate) fn new((units, seconds): (u32, u32), packets: u64) -> Self {
        let ticks = 90_000 * u64::from(seconds) / u64::from(units.max(1));
        let cost_ns = 1_000_000_000 * u64::from(seconds) / u64::from(units.max(1) * A_PERIOD);
        Self {
            period: u32::try_from(ticks)
                .unwrap_or(u32::MAX / PERIODS_AHEAD)
                .max(1),
            cost_ns,
            left_ns: cost_ns * AT_ONCE,
            at_ns: 0,
            losses: Losses::new(packets * u64::from(units) / u64::from(seconds.max(1))),
        }
    }

    /// Whether a unit of its own can have a timestamp that is so far from that of another.
    pub(crate) const fn is_apart(&self, ticks: u32) -> bool {
        ticks.cast_signed().unsigned_abs() >= self.period / A_PERIOD
    }

    /// Whether the stream can be so many ticks ahead, as long as no packet came.
    pub(crate) const fn is_passed(&self, ticks: u32, elapsed_ns: u64) -> bool {
        ticks as u64 <= elapsed_ns / 100_000 * 9 + self.most_ahead() as u64
    }

    const fn most_ahead(&self) -> u32 {
        self.period.saturating_mul(PERIODS_AHEAD)
    }

    /// Whether units at their pace can be so many ticks apart. One of a sender that stamps them otherwise needs a second
    /// packet.
    pub(crate) fn is_due(&self, ticks: u32) -> bool {
        let after = ticks % self.period;
        let apart = after.min(self.period - after);
        apart <= self.period / A_PERIOD || mutant!("pace: a unit begins between two")
    }

    /// Whether a unit at the pace can be so many ticks later.
    pub(crate) fn is_later(&self, ticks: u32) -> bool {
        ticks.cast_signed() > 0 && self.is_apart(ticks) && self.is_due(ticks)
    }

    /// Whether the unit after one can be so many ticks later.
    const fn is_next(&self, ticks: u32) -> bool {
        ticks.abs_diff(self.period) <= self.period / A_PERIOD
    }

    /// A unit is to begin now: whether it may.
    pub(crate) fn begin(&mut self, now_ns: u64) -> bool {
        let since_ns = now_ns.saturating_sub(self.at_ns);
        self.at_ns = self.at_ns.max(now_ns);
        let left_ns = self.left_ns.saturating_add(since_ns);
        self.left_ns = left_ns.min(self.cost_ns * AT_ONCE);
        let is_allowed = self.left_ns >= self.cost_ns;
        if is_allowed {
            self.left_ns -= self.cost_ns;
        }
        is_allowed
    }

    /// Numbers are missing before a packet that came by now: counts those that can have been sent.
    pub(crate) fn lose(&mut self, missing: u64, stats: &mut ReceiveStats, now_ns: u64) {
        let came = stats.accepted + stats.no_buffer;
        stats.lost += self.losses.count(missing, came, (now_ns, now_ns));
    }

    /// So many numbers that were missing came.
    pub(crate) const fn arrive(&mut self, numbers: u64, stats: &mut ReceiveStats) {
        stats.lost_arrived += self.losses.arrive(numbers);
    }

    /// A unit ended, of which every packet came.
    pub(crate) const fn complete(&mut self) {
        self.left_ns += self.cost_ns;
    }
}

/// The same of units of few packets.
pub(crate) const FEW_LOST: u64 = 8;

/// Whether these numbers can be of packets of one unit that came one after the other.
pub(crate) const fn is_near(number: u64, other: u64) -> bool {
    number.abs_diff(other) <= LOST_IN_A_ROW
}

/// Whether another packet says the same of its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vouched {
    Not,
    ByAnother,
}

/// A packet where its stream cannot be yet. It is used if the next such packet agrees with it.
#[derive(Debug)]
pub(crate) struct Ahead {
    bytes: Box<[u8]>,
    len: usize,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    /// Packets of the stream until it came.
    fitting: u64,
}

impl Ahead {
    pub(crate) fn new() -> Self {
        Self {
            bytes: vec![0; MOST_BYTES].into(),
            len: 0,
            ssrc: 0,
            sequence: 0,
            timestamp: 0,
            fitting: 0,
        }
    }

    /// Keeps a packet instead of the one before, after so many of the stream.
    pub(crate) fn keep(&mut self, rtp: &RtpHeader, packet: &[u8], fitting: u64) {
        self.len = 0;
        if let Some(room) = self.bytes.get_mut(..packet.len()) {
            room.copy_from_slice(packet);
            self.len = packet.len();
            (self.ssrc, self.fitting) = (rtp.ssrc, fitting);
            (self.sequence, self.timestamp) = (rtp.sequence, rtp.timestamp);
        }
    }

    /// Whether a packet follows the one that is kept, in its unit or at the start of the next one, and none of the stream
    /// came between. Less would often be true of two packets that have nothing in common.
    pub(crate) fn agrees(&self, rtp: &RtpHeader, pace: &Pace, fitting: u64) -> bool {
        let after = rtp.sequence.wrapping_sub(self.sequence);
        let follows = match rtp.timestamp.wrapping_sub(self.timestamp) {
            0 => (1..=AGREE_WITHIN).contains(&after),
            ticks => after == 1 && pace.is_next(ticks) || mutant!("pace: any two packets agree"),
        };
        self.len > 0 && rtp.ssrc == self.ssrc && fitting == self.fitting && follows
    }

    /// Whether one is kept, and none of the stream came since.
    pub(crate) const fn is_last(&self, fitting: u64) -> bool {
        self.len > 0 && fitting == self.fitting
    }

    /// Whether a packet is the next one after the one that is kept, which has so many ticks, and none of the stream came
    /// between.
    pub(crate) const fn is_followed_by(&self, rtp: &RtpHeader, ticks: u32, fitting: u64) -> bool {
        self.len > 0
            && rtp.sequence == self.sequence.wrapping_add(1)
            && rtp.timestamp == self.timestamp.wrapping_add(ticks)
            && fitting == self.fitting
    }

    /// Takes the memory with the packet out; [`Self::put_back`] gives it back.
    pub(crate) fn take(&mut self) -> (Box<[u8]>, usize) {
        (
            std::mem::take(&mut self.bytes),
            std::mem::take(&mut self.len),
        )
    }

    pub(crate) fn put_back(&mut self, bytes: Box<[u8]>) {
        self.bytes = bytes;
    }

    pub(crate) const fn forget(&mut self) {
        self.len = 0;
    }
}
