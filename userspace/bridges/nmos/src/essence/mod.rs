//! Properties of flows, sources and receivers that follow from a format.

mod ancillary;
mod audio;
mod described;
mod mxl;
mod picture;

use onair_essence::{EssenceKind, Format};

pub(crate) use described::{Described, constraint};
pub(crate) use mxl::describe_on_mxl;

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
