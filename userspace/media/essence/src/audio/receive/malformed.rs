//! Why a packet of audio is malformed.

use crate::reasons::reasons;

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
