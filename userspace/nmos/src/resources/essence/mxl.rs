//! The same essences on MXL.

use onair_essence::Format;
use onair_essence::audio::Coding;
use onair_essence::video::{Depth, Sampling};
use serde_json::{Value, json};

use super::describe;
use super::described::{Described, constraint};

/// What MXL has of a format; `None`: it has no media type for it.
pub(in crate::resources) fn describe_on_mxl(format: &Format) -> Option<Described> {
    let mut it = describe(format);
    match format {
        Format::Video(video) => {
            let format = &video.format;
            let is_carried =
                (format.sampling(), format.depth()) == (Sampling::YCbCr422, Depth::Ten);
            is_carried.then_some(())?;
            it.media_type = "video/v210";
        }
        Format::Audio(audio) => {
            matches!(audio.coding(), Coding::L16 | Coding::L24).then_some(())?;
            it.media_type = "audio/float32";
            it.flow
                .iter_mut()
                .for_each(|it| it["bit_depth"] = json!(32));
            it.constraints["urn:x-nmos:cap:format:sample_depth"] = constraint([json!(32)]);
        }
        Format::Ancillary(_) => {}
        Format::JpegXs(_) => return None,
    }
    // There are no packets.
    if let Value::Object(constraints) = &mut it.constraints {
        constraints.retain(|name, _| !name.contains(":transport:"));
    }
    it.sender = Value::Null;
    Some(it)
}
