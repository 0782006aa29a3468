//! Why a packet of JPEG XS is malformed.

use crate::jpeg_xs::rfc9134::PayloadReject;
use crate::rtp::RtpReject;
use crate::units::Reason;

/// Why an RTP packet is malformed. Each counts under exactly one reason. A packet with which a unit contradicts the format
/// counts under that contradiction, and the unit is incomplete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Malformed {
    /// Truncated within its headers, or nothing behind them.
    Truncated,
    /// RTP version other than 2.
    BadVersion,
    /// RTP padding longer than the payload, or empty.
    BadPadding,
    /// Another payload type than the session's.
    BadPayloadType,
    /// I is 01.
    BadField,
    /// A counter or a flag that contradicts the other packets of the unit.
    BadCounter,
    /// The boxes or the codestream do not begin as they must.
    BadHeader,
    /// The codestream is longer or shorter than its header says.
    BadLength,
    /// The unit has more bytes than the format (`b=AS`).
    TooLarge,
    /// I of another scan.
    OtherScan,
    /// K or T of another packet or transmission mode.
    OtherMode,
    /// A codestream of another raster.
    OtherRaster,
    /// A codestream with another depth or sampling.
    OtherSamples,
    /// Another profile.
    OtherProfile,
    /// Another level or sublevel.
    OtherLevel,
    /// A video information box with another rate.
    OtherRate,
}

impl Malformed {
    /// Every reason with its name in statistics and metrics.
    const ALL: [(Self, &'static str); 16] = [
        (Self::Truncated, "truncated"),
        (Self::BadVersion, "bad_version"),
        (Self::BadPadding, "bad_padding"),
        (Self::BadPayloadType, "bad_payload_type"),
        (Self::BadField, "bad_field"),
        (Self::BadCounter, "bad_counter"),
        (Self::BadHeader, "bad_header"),
        (Self::BadLength, "bad_length"),
        (Self::TooLarge, "too_large"),
        (Self::OtherScan, "other_scan"),
        (Self::OtherMode, "other_mode"),
        (Self::OtherRaster, "other_raster"),
        (Self::OtherSamples, "other_samples"),
        (Self::OtherProfile, "other_profile"),
        (Self::OtherLevel, "other_level"),
        (Self::OtherRate, "other_rate"),
    ];

    /// Reasons that packets of another format cause: the last ones.
    const OTHERS: usize = 8;

    /// The names, in the order of the reasons.
    pub const NAMES: [&'static str; Self::ALL.len()] = names(0);

    /// Names of the reasons that packets of another format cause.
    pub const OF_OTHER_FORMATS: [&'static str; Self::OTHERS] =
        names(Self::ALL.len() - Self::OTHERS);
}

const fn names<const N: usize>(from: usize) -> [&'static str; N] {
    let mut names = [""; N];
    let mut at = 0;
    while at < N {
        names[at] = Malformed::ALL[from + at].1;
        at += 1;
    }
    names
}

impl Reason for Malformed {
    const PAYLOAD_TYPE: Self = Self::BadPayloadType;

    fn is_of_other_format(self) -> bool {
        self as usize >= Self::ALL.len() - Self::OTHERS
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
            PayloadReject::Field => Self::BadField,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receive::MOST_REASONS;

    #[test]
    fn reasons_all_then_each_in_its_own_place() {
        for (place, (reason, name)) in Malformed::ALL.into_iter().enumerate() {
            assert_eq!(
                (usize::from(reason), Malformed::NAMES[place]),
                (place, name)
            );
            let is_other = Malformed::OF_OTHER_FORMATS.contains(&name);
            assert_eq!(reason.is_of_other_format(), is_other, "{name}");
        }
        assert!(Malformed::ALL.len() <= MOST_REASONS);
        assert_eq!(Malformed::OF_OTHER_FORMATS[0], "too_large");
    }
}
