//! A source that may have restarted with other sequence numbers and timestamps.

use crate::rtp::RtpHeader;

/// Packets in a row that agree with each other before their source counts as restarted.
const PACKETS: u32 = 16;

/// How far sequence numbers and timestamps (1 s of 90 kHz) of two such packets may be apart: the
/// network loses and reorders theirs, too.
const NUMBERS_APART: u16 = 64;
const TICKS_APART: u32 = 90_000;

/// The last packets that contradict what was seen of the current source.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Candidate {
    sequence: u16,
    timestamp: u32,
    packets: u32,
}

impl Candidate {
    /// Notes such a packet. Returns whether there were enough that agree with each other.
    pub(crate) fn note(&mut self, rtp: &RtpHeader) -> bool {
        let numbers = rtp.sequence.wrapping_sub(self.sequence).cast_signed();
        let ticks = rtp.timestamp.wrapping_sub(self.timestamp).cast_signed();
        let agrees = numbers.unsigned_abs() <= NUMBERS_APART && ticks.unsigned_abs() <= TICKS_APART;
        self.count(rtp, agrees)
    }

    /// The same, of packets that follow each other, of which one at most is missing between two.
    pub(crate) fn note_next(&mut self, rtp: &RtpHeader) -> bool {
        let is_next = (1..=2).contains(&rtp.sequence.wrapping_sub(self.sequence));
        let agrees = is_next && rtp.timestamp.wrapping_sub(self.timestamp) <= TICKS_APART;
        self.count(rtp, agrees)
    }

    fn count(&mut self, rtp: &RtpHeader, agrees: bool) -> bool {
        self.packets = if agrees {
            self.packets.saturating_add(1)
        } else {
            1
        };
        self.sequence = rtp.sequence;
        self.timestamp = rtp.timestamp;
        self.packets > PACKETS
    }
}
