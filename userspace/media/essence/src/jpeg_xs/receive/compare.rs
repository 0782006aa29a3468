//! Whether the headers of a unit agree with the session's format.

use super::Malformed;
use crate::jpeg_xs::JpegXsStream;
use crate::jpeg_xs::codestream::{
    Structure, UnitHeader, level_number, profile_number, sublevel_number,
};
use crate::video::Field;

/// Bits of a sublevel in `Plev`, and of a level: the others are of the frame buffer.
const SUBLEVEL: u16 = 0x9f;
const LEVEL: u16 = 0xfc;

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
