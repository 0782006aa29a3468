//! Why a packet of video is malformed.

use crate::rtp::RtpReject;
use crate::video::st2110_20::PayloadReject;

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
    /// More SRD headers than supported.
    TooManySrds,
    /// Field bit set in a progressive session: interlaced or segmented.
    Interlaced,
    /// An SRD outside the raster.
    BadSrdRange,
    /// An SRD that splits a pgroup.
    BadPgroupAlignment,
    /// SRD lengths that do not match the payload.
    BadLength,
    /// A line of a whole frame in a session of fields or segments: progressive.
    Progressive,
    /// A field bit that differs from that of the field's other packets.
    FieldMismatch,
}

impl Malformed {
    /// Every reason.
    pub const ALL: [Self; 11] = [
        Self::Truncated,
        Self::BadVersion,
        Self::BadPadding,
        Self::BadPayloadType,
        Self::TooManySrds,
        Self::Interlaced,
        Self::BadSrdRange,
        Self::BadPgroupAlignment,
        Self::BadLength,
        Self::Progressive,
        Self::FieldMismatch,
    ];

    /// Names of those that packets of another format cause.
    pub const OF_OTHER_FORMATS: [&'static str; 5] = [
        Self::Interlaced.name(),
        Self::Progressive.name(),
        Self::FieldMismatch.name(),
        Self::BadSrdRange.name(),
        Self::BadPgroupAlignment.name(),
    ];

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
            Self::TooManySrds => "too_many_srds",
            Self::Interlaced => "interlaced",
            Self::BadSrdRange => "bad_srd_range",
            Self::BadPgroupAlignment => "bad_pgroup_alignment",
            Self::BadLength => "bad_length",
            Self::Progressive => "progressive",
            Self::FieldMismatch => "field_mismatch",
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

impl From<PayloadReject> for Malformed {
    fn from(reject: PayloadReject) -> Self {
        match reject {
            PayloadReject::Truncated => Self::Truncated,
            PayloadReject::TooManySrds => Self::TooManySrds,
            PayloadReject::Interlaced => Self::Interlaced,
            PayloadReject::Progressive(_) => Self::Progressive,
            PayloadReject::FieldMismatch => Self::FieldMismatch,
            PayloadReject::Range { .. } => Self::BadSrdRange,
            PayloadReject::Alignment { .. } => Self::BadPgroupAlignment,
            PayloadReject::Length { .. } => Self::BadLength,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receive::MalformedCounts;

    #[test]
    fn reasons_all_then_each_has_its_own_place_and_name() {
        let mut counts = MalformedCounts::default();
        for (place, reason) in Malformed::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, place);
            counts.add(reason);
            assert_eq!(counts.get(reason), 1);
        }
        let names: std::collections::HashSet<_> =
            Malformed::ALL.iter().map(|reason| reason.name()).collect();
        assert_eq!(names.len(), Malformed::ALL.len());
        assert_eq!(counts.total(), 11);
    }
}
