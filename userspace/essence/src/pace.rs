//! How fast units can begin, so that no packet costs a unit: by their timestamps, and by the clock.

use crate::rtp::RtpHeader;

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

/// How fast the units of a stream begin.
#[derive(Debug)]
pub(crate) struct Pace {
    /// Of a unit, in ticks of 90 kHz.
    period: u32,
    cost_ns: u64,
    /// Time that units may still cost, and when that was.
    left_ns: u64,
    at_ns: u64,
}

impl Pace {
    /// The pace of `units` units in `seconds` seconds.
    pub(crate) fn new((units, seconds): (u32, u32)) -> Self {
        let ticks = 90_000 * u64::from(seconds) / u64::from(units.max(1));
        let cost_ns = 1_000_000_000 * u64::from(seconds) / u64::from(units.max(1) * A_PERIOD);
        Self {
            period: u32::try_from(ticks)
                .unwrap_or(u32::MAX / PERIODS_AHEAD)
                .max(1),
            cost_ns,
            left_ns: cost_ns * AT_ONCE,
            at_ns: 0,
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

    /// How many ticks a packet may be behind one that it agrees with.
    pub(crate) const fn most_ahead(&self) -> u32 {
        self.period.saturating_mul(PERIODS_AHEAD)
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

    /// A unit ended, of which every packet came.
    pub(crate) const fn complete(&mut self) {
        self.left_ns += self.cost_ns;
    }
}

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

    /// Whether a packet follows the one that is kept, at most so many ticks later, and none of the stream came between.
    pub(crate) fn agrees(&self, rtp: &RtpHeader, most_ticks: u32, fitting: u64) -> bool {
        let after = rtp.sequence.wrapping_sub(self.sequence);
        self.len > 0
            && rtp.ssrc == self.ssrc
            && (1..=AGREE_WITHIN).contains(&after)
            && rtp.timestamp.wrapping_sub(self.timestamp) <= most_ticks
            && fitting == self.fitting
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
