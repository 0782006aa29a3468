//! The same essences on MXL.

use onair_essence::Format;
use onair_essence::audio::Coding;
use onair_essence::video::{Depth, Sampling};
use serde_json::{Value, json};

use super::describe;
use super::described::{Described, constraint};

/// Properties of a format on MXL; `None`: it has no media type for it.
pub(crate) fn describe_on_mxl(format: &Format) -> Option<Described> {
    let mut it = describe(format);
    it.media_type = media_type(format)?;
    if matches!(format, Format::Audio(_)) {
        let bits = json!(32);
        it.constraints["urn:x-nmos:cap:format:sample_depth"] = constraint([bits.clone()]);
        it.flow
            .iter_mut()
            .for_each(|it| it["bit_depth"] = bits.clone());
    }
    // There are no packets.
    if let Value::Object(constraints) = &mut it.constraints {
        constraints.retain(|name, _| !name.contains(":transport:"));
    }
    it.sender = Value::Null;
    Some(it)
}

/// The media type of a format on MXL, if it has one.
fn media_type(format: &Format) -> Option<&'static str> {
    match format {
        Format::Video(video) => {
            let samples = (video.format.sampling(), video.format.depth());
            (samples == (Sampling::YCbCr422, Depth::Ten)).then_some("video/v210")
        }
        Format::Audio(audio) => {
            matches!(audio.coding(), Coding::L16 | Coding::L24).then_some("audio/float32")
        }
        Format::Ancillary(_) => Some("video/smpte291"),
        Format::JpegXs(_) => None,
    }
}
