//! Packets to blocks: the samples that came, and silence of exact length for those that did not.
//!
//! All packets of a stream have as many samples, so that sequence number and timestamp of a packet follow from
//! those of any other one. A packet for which they do not is not of the stream.

mod assembler;
mod block;

/// Packets in a row that follow each other before their source counts as restarted.
const PACKETS: u32 = 16;

reasons! {
    /// Why a packet is malformed. Each packet counts under exactly one reason.
    Malformed {
        /// Other bytes than a packet of the session has: another packet time, coding or number of channels.
        BadLength "bad_length",
        /// A timestamp that does not follow from the sequence number: the packets have as many bytes as the session's,
        /// but not as many samples.
        BadTimestamp "bad_timestamp",
    }
}

impl Malformed {
    /// Names of those that packets of another format cause. None: packets of other lengths may be of this one, and if all
    /// are, none fits.
    pub const OF_OTHER_FORMATS: [&'static str; 0] = [];
}

/// The last packets that are not of the stream that is followed.
#[derive(Debug, Clone, Copy, Default)]
struct Restarted(Candidates);

impl Restarted {
    /// Notes such a packet, in which so many samples are.
    fn note(&mut self, rtp: &RtpHeader, samples: u32) -> Other {
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

/// Kind of such a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Other {
    /// It does not follow the one before.
    Alone,
    /// It follows the one before, and is of another stream.
    Follows,
    /// So many followed each other that the source restarted.
    Restarted,
}
#[cfg(test)]
mod tests;

use crate::reasons::reasons;
use crate::rtp::RtpHeader;
use crate::source::Candidates;

pub use assembler::BlockAssembler;
