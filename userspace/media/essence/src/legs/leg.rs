//! One of the two legs.

use crate::receive::{Depacketise, Run, Sink};
use crate::rtp::{PayloadTypes, RtpHeader};

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

    pub(super) const fn payload_type(self, types: PayloadTypes) -> u8 {
        match self {
            Self::First => types.first,
            Self::Second => types.second,
        }
    }

    pub(super) const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// Counters of one leg since the merge was made. Every packet counts in exactly one of `used`, `duplicate`,
/// `late`, `other_stream`, `before_restart` and `malformed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LegCounts {
    /// Packets of the leg.
    pub packets: u64,
    /// Packets that came before their copy on the other leg.
    pub used: u64,
    /// Packets of which a copy had come.
    pub duplicate: u64,
    /// Packets that came when the stream no longer waited for them, or would not have waited.
    pub late: u64,
    /// How late the last one of these was, in nanoseconds.
    pub late_ns: u64,
    /// Packets of another stream, by their SSRC, sequence number or timestamp. Not used.
    pub other_stream: u64,
    /// Packets of a stream that was followed soon after: the sender restarted, or the leg began. Not used.
    pub before_restart: u64,
    /// Packets that are not RTP, or of another payload type than the leg's.
    pub malformed: u64,
    /// Packets after one of the leg with a higher sequence number (also counted elsewhere).
    pub reordered: u64,
    /// Sequence numbers missing on this leg, so far.
    pub lost: u64,
    /// Packets larger than the port can take, which cannot wait (also counted elsewhere).
    pub oversized: u64,
    /// Changes of the synchronisation source from packet to packet.
    pub ssrc_changes: u64,
}

/// Counters of both legs together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JointCounts {
    /// Sequence numbers that came on neither leg, so far.
    pub lost: u64,
    /// Packets that one leg lost and the other brought too late.
    pub late: u64,
    /// Packets that were copied, because the stream waited for an earlier one.
    pub held: u64,
    /// Times that the stream began anew: another SSRC, or other sequence numbers.
    pub restarts: u64,
}

/// Receiver of a merge's packets.
pub trait Onward {
    /// Whether it refuses this packet: then that takes no number of the stream.
    fn refuses(&self, rtp: &RtpHeader, payload: &[u8]) -> bool;

    /// Gets packets, in order.
    fn pass(&mut self, packets: &[&[u8]]);
}

/// An essence's receiver with the memory of its units.
#[derive(Debug)]
pub struct Receiving<'a, D, K> {
    /// The receiver.
    pub receiver: &'a mut D,
    /// The memory.
    pub sink: &'a mut K,
    /// When the packets were received, in nanoseconds of a monotonic clock.
    pub now_ns: u64,
}

impl<D: Depacketise<K::Slot>, K: Sink> Onward for Receiving<'_, D, K> {
    #[inline]
    fn refuses(&self, rtp: &RtpHeader, payload: &[u8]) -> bool {
        self.receiver.refuses(rtp, payload)
    }

    #[inline]
    fn pass(&mut self, packets: &[&[u8]]) {
        let now_ns = self.now_ns;
        self.receiver.push(&Run { packets, now_ns }, self.sink);
    }
}
