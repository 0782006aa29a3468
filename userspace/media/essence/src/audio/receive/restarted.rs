//! A source that may have restarted with other sequence numbers or timestamps.

use crate::rtp::RtpHeader;
use crate::source::Candidates;

/// Packets in a row that follow each other before their source counts as restarted.
const PACKETS: u32 = 16;

/// The last packets that are not of the stream that is followed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Restarted(Candidates);

/// Kind of such a packet.
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
        let follows = |numbers: u16, ticks: u32| {
            numbers.cast_signed() > 0 && u32::from(numbers).wrapping_mul(samples) == ticks
        };
        match self.0.count(rtp, follows) {
            0 | 1 => Other::Alone,
            PACKETS.. => Other::Restarted,
            _ => Other::Follows,
        }
    }
}
