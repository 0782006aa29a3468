//! Why a packet of JPEG XS is malformed.

use crate::jpeg_xs::rfc9134::PayloadReject;
use crate::reasons::reasons;
use crate::units::Reason;

reasons! {
    /// Why an RTP packet is malformed. A packet with which a unit contradicts the format counts under that one,
    /// and the unit is incomplete.
    Malformed {
        /// I is 01.
        BadField "bad_field",
        /// A counter or a flag that contradicts the other packets of the unit.
        BadCounter "bad_counter",
        /// The boxes or the codestream do not begin as they must.
        BadHeader "bad_header",
        /// The codestream is longer or shorter than its header says.
        BadLength "bad_length",
        /// The unit has more bytes than the format (`b=AS`).
        TooLarge "too_large",
        /// I of another scan.
        OtherScan "other_scan",
        /// K or T of another packet or transmission mode.
        OtherMode "other_mode",
        /// A codestream of another raster.
        OtherRaster "other_raster",
        /// A codestream with another depth or sampling.
        OtherSamples "other_samples",
        /// Another profile.
        OtherProfile "other_profile",
        /// Another level or sublevel.
        OtherLevel "other_level",
    }
}

impl Malformed {
    /// Names of those that packets of another format cause: the last ones.
    pub const OF_OTHER_FORMATS: [&'static str; 7] = [
        Self::TooLarge.name(),
        Self::OtherScan.name(),
        Self::OtherMode.name(),
        Self::OtherRaster.name(),
        Self::OtherSamples.name(),
        Self::OtherProfile.name(),
        Self::OtherLevel.name(),
    ];
}

impl Reason for Malformed {
    const PAYLOAD_TYPE: Self = Self::BadPayloadType;

    fn is_of_other_format(self) -> bool {
        self as usize >= Self::TooLarge as usize
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
        for (place, reason) in Malformed::ALL.into_iter().enumerate() {
            let name = reason.name();
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
