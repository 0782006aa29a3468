//! Packets to blocks: the samples that came, and silence of exact length for those that did not.
//!
//! All packets of a stream have as many samples, so that sequence number and timestamp of a packet follow from
//! those of any other one. A packet for which they do not is not of the stream.

mod assembler;
mod block;
mod restarted;

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
#[cfg(test)]
mod tests;

use crate::reasons::reasons;

pub use assembler::BlockAssembler;
