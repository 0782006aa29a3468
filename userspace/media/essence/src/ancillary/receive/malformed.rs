//! Why a packet of ancillary data is malformed.

use crate::ancillary::rfc8331::PayloadReject;
use crate::reasons::reasons;
use crate::units::Reason;

reasons! {
    /// Why an RTP packet is malformed. ANC packets with wrong parity or checksum are
    /// no reason: they go into the unit, and are flagged there.
    Malformed {
        /// F is 01.
        BadField "bad_field",
        /// The length does not match the payload.
        BadLength "bad_length",
        /// More ANC packets than the length has.
        BadCount "bad_count",
        /// The unit has no room for it.
        TooLarge "too_large",
    }
}

impl Reason for Malformed {
    const PAYLOAD_TYPE: Self = Self::BadPayloadType;

    fn is_of_other_format(self) -> bool {
        false
    }

    /// RFC 8331 §2.1: receivers ignore an invalid field.
    fn is_ignored(self) -> bool {
        matches!(self, Self::BadField)
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
        for (place, reason) in Malformed::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(reason), place);
        }
    }
}
