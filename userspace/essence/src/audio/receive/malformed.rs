//! Why a packet of audio is malformed.

use crate::rtp::RtpReject;

/// Why a packet is malformed. Each packet counts under exactly one reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Malformed {
    /// Truncated within its headers.
    Truncated,
    /// RTP version other than 2.
    BadVersion,
    /// RTP padding longer than the payload, or empty.
    BadPadding,
    /// Another payload type than the session's.
    BadPayloadType,
    /// Other bytes than a packet of the session has: another packet time, coding or number of channels.
    BadLength,
    /// A timestamp that does not follow from the sequence number: the packets have as many bytes as the session's,
    /// but not as many samples.
    BadTimestamp,
}

impl Malformed {
    /// Every reason.
    pub const ALL: [Self; 6] = [
        Self::Truncated,
        Self::BadVersion,
        Self::BadPadding,
        Self::BadPayloadType,
        Self::BadLength,
        Self::BadTimestamp,
    ];

    /// Names of those that packets of another format cause.
    pub const OF_OTHER_FORMATS: [&'static str; 2] =
        [Self::BadLength.name(), Self::BadTimestamp.name()];

    /// The names of [`Self::ALL`].
    pub const NAMES: [&'static str; Self::ALL.len()] = {
        let mut names = [""; Self::ALL.len()];
        let mut at = 0;
        while at < names.len() {
            names[at] = Self::ALL[at].name();
            at += 1;
        }
        names
    };

    /// Name in statistics and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::BadVersion => "bad_version",
            Self::BadPadding => "bad_padding",
            Self::BadPayloadType => "bad_payload_type",
            Self::BadLength => "bad_length",
            Self::BadTimestamp => "bad_timestamp",
        }
    }
}

impl From<Malformed> for usize {
    fn from(reason: Malformed) -> Self {
        reason as Self
    }
}

impl From<RtpReject> for Malformed {
    fn from(reject: RtpReject) -> Self {
        match reject {
            RtpReject::Truncated => Self::Truncated,
            RtpReject::Version(_) => Self::BadVersion,
            RtpReject::Padding(_) => Self::BadPadding,
        }
    }
}
