//! Units from RTP packets.

mod assembly;
mod staged;

use crate::essence::Essence as _;
use crate::jpeg_xs::JpegXsStream;
use crate::jpeg_xs::codestream::{
    Structure, UnitHeader, level_number, profile_number, sublevel_number,
};
use crate::jpeg_xs::rfc9134::PayloadReject;
use crate::reasons::reasons;
use crate::units::{Reason, UnitReceiver};
use crate::video::Field;

pub use assembly::CodestreamAssembly;

/// Bits of a sublevel in `Plev`, and of a level: the others are of the frame buffer.
const SUBLEVEL: u16 = 0x9f;
const LEVEL: u16 = 0xfc;

/// Makes the units of one flow. Allocates only in its constructor.
pub type CodestreamReceiver<S> = UnitReceiver<S, CodestreamAssembly>;

impl<S: Copy> CodestreamReceiver<S> {
    /// For a format, and packets of this payload type, 0 to 127. A unit is closed after `timeout_ns` nanoseconds without a
    /// packet.
    #[must_use]
    pub fn new(stream: &JpegXsStream, payload_type: u8, timeout_ns: u64) -> Self {
        let rate = stream.unit_rate();
        let rate = (rate.numerator(), rate.denominator());
        Self::of(
            (rate, stream.packets_a_unit()),
            (payload_type, timeout_ns),
            || CodestreamAssembly::new(stream),
        )
    }
}

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

/// The first contradiction between the headers of a unit of this field and the format. What headers or format leave open is
/// none. The video information box is not compared: senders contradict their own codestream there, and it cannot say each rate.
pub(crate) fn contradiction(
    stream: &JpegXsStream,
    header: &UnitHeader,
    field: Option<Field>,
) -> Option<Malformed> {
    let raster = (u32::from(header.width), u32::from(header.height));
    let is_depth = header.depth() == Some(stream.depth.bits());
    let is_structure = header.structure() == Some(Structure::of(stream.sampling));
    let (profile, level) = header.profile_level();
    let differs = |own: Option<&str>, number: fn(&str) -> Option<u16>, found: u16| {
        let own = own.and_then(number);
        found != 0 && own.is_some_and(|it| it != found)
    };
    let is_profile = !differs(stream.profile.as_deref(), profile_number, profile);
    let is_level = !differs(stream.level.as_deref(), level_number, level >> 8 & LEVEL)
        && !differs(
            stream.sublevel.as_deref(),
            sublevel_number,
            level & SUBLEVEL,
        );
    let found = [
        (
            raster == (stream.width, stream.lines(field)),
            Malformed::OtherRaster,
        ),
        (is_depth && is_structure, Malformed::OtherSamples),
        (is_profile, Malformed::OtherProfile),
        (is_level, Malformed::OtherLevel),
    ];
    found.into_iter().find(|it| !it.0).map(|it| it.1)
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
