//! Why a packet of ancillary data is malformed.

use crate::ancillary::rfc8331::PayloadReject;
use crate::rtp::RtpReject;
use crate::units::Reason;

/// Why an RTP packet is malformed. Each counts under exactly one reason. ANC packets with wrong parity or checksum are
/// no reason: they go into the unit, and are flagged there.
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
    /// F is 01.
    BadField,
    /// The length does not match the payload.
    BadLength,
    /// More ANC packets than the length has.
    BadCount,
    /// The unit has no room for it.
    TooLarge,
}

impl Malformed {
    /// Every reason with its name in statistics and metrics.
    const ALL: [(Self, &'static str); 8] = [
        (Self::Truncated, "truncated"),
        (Self::BadVersion, "bad_version"),
        (Self::BadPadding, "bad_padding"),
        (Self::BadPayloadType, "bad_payload_type"),
        (Self::BadField, "bad_field"),
        (Self::BadLength, "bad_length"),
        (Self::BadCount, "bad_count"),
        (Self::TooLarge, "too_large"),
    ];

    /// The names, in the order of the reasons.
    pub const NAMES: [&'static str; Self::ALL.len()] = {
        let mut names = [""; Self::ALL.len()];
        let mut at = 0;
        while at < names.len() {
            names[at] = Self::ALL[at].1;
            at += 1;
        }
        names
    };
}

impl From<Malformed> for usize {
    fn from(reason: Malformed) -> Self {
        reason as Self
    }
}

impl Reason for Malformed {
    const PAYLOAD_TYPE: Self = Self::BadPayloadType;

    fn is_of_other_format(self) -> bool {
        false
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

impl From<PayloadReject> for Malformed {
    fn from(reject: PayloadReject) -> Self {
        match reject {
            PayloadReject::Truncated => Self::Truncated,
            PayloadReject::Field => Self::BadField,
            PayloadReject::Length(_) => Self::BadLength,
            PayloadReject::Count(_) => Self::BadCount,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_all_then_each_in_its_own_place() {
        for (place, (reason, _)) in Malformed::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(reason), place);
        }
    }
}
