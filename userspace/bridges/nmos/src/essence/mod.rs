//! Properties of flows, sources and receivers that follow from a format.

mod ancillary;
mod audio;
mod picture;

use onair_essence::audio::Coding;
use onair_essence::video::{Depth, FrameRate, Sampling};
use onair_essence::{EssenceKind, Format};
use serde_json::{Value, json};

/// Describes a format.
pub(crate) fn describe(format: &Format) -> Described {
    match format {
        Format::Video(video) => picture::raw(video),
        Format::JpegXs(video) => picture::compressed(video),
        Format::Audio(audio) => audio::audio(audio),
        Format::Ancillary(data) => ancillary::ancillary(data),
    }
}

/// The role of a format in a group, as BCP-002-01 has them in its examples.
pub(crate) const fn role(kind: EssenceKind) -> &'static str {
    match kind {
        EssenceKind::Video | EssenceKind::JpegXs => "Video",
        EssenceKind::Audio => "Audio",
        EssenceKind::Ancillary => "Data",
    }
}

/// Properties of a session's resources that follow from its format. Fields are those of an object, or null.
pub(crate) struct Described {
    /// The last part of `format`.
    pub(crate) format: &'static str,
    /// Media type.
    pub(crate) media_type: &'static str,
    /// `grain_rate`, if there are units of a second of media.
    pub(crate) rate: Value,
    /// Fields of the source.
    pub(crate) source: Value,
    /// Fields of the flow; `None` of a format that IS-04 has no words for.
    pub(crate) flow: Option<Value>,
    /// Fields of the sender.
    pub(crate) sender: Value,
    /// Streams that a receiver takes (BCP-004-01).
    pub(crate) constraints: Value,
}

/// Any of `values`.
pub(crate) fn constraint(values: impl IntoIterator<Item = Value>) -> Value {
    json!({"enum": values.into_iter().collect::<Vec<_>>()})
}

/// A rate as a fraction.
fn fraction(rate: FrameRate) -> Value {
    json!({"numerator": rate.numerator(), "denominator": rate.denominator()})
}

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
