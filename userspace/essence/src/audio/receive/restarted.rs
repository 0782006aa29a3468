//! A source that may have restarted with other sequence numbers or timestamps.

use crate::rtp::RtpHeader;

/// Packets in a row that follow each other before their source counts as restarted.
const PACKETS: u32 = 16;

/// The last packets that are not of the stream that is followed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Restarted {
    sequence: u16,
    timestamp: u32,
    packets: u32,
}

/// What such a packet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Other {
    /// It does not follow the one before.
    Alone,
    /// It follows the one before, and is of another stream.
    Follows,
    /// So many followed each other that the source restarted.
    Restarted,
}

impl Restarted {
    /// Notes such a packet, in which so many samples are.
    pub(super) fn note(&mut self, rtp: &RtpHeader, samples: u32) -> Other {
        let numbers = rtp.sequence.wrapping_sub(self.sequence).cast_signed();
        let ticks = i64::from(numbers) * i64::from(samples);
        let expected = i64::from(self.timestamp).wrapping_add(ticks);
        let follows = self.packets > 0
            && numbers > 0
            && expected.rem_euclid(1 << 32) == i64::from(rtp.timestamp);
        self.packets = if follows { self.packets + 1 } else { 1 };
        (self.sequence, self.timestamp) = (rtp.sequence, rtp.timestamp);
        match (follows, self.packets) {
            (false, _) => Other::Alone,
            (true, PACKETS..) => Other::Restarted,
            (true, _) => Other::Follows,
        }
    }
}
