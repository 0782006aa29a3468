//! Caps of a session of any essence.

use gstreamer as gst;
use onair::{Contents, OwnedBuffer, OwnedFrame, Pictured as _, PixelFormat};

use crate::data::Alignment;
use crate::formats::{self, NoCaps, is_direct, offered};
use crate::{codestream, data, sound};

/// The caps that a session has.
pub(crate) fn caps(contents: &Contents, is_source: bool) -> Result<gst::Caps, NoCaps> {
    let none = || NoCaps::Samples(contents.to_string());
    match contents {
        Contents::Video(layout) => Ok(formats::caps(layout, &offered(layout)?, is_source)),
        Contents::Audio(format) => sound::caps(format).ok_or_else(none),
        Contents::Ancillary(stream) => data::caps(stream, is_source).ok_or_else(none),
        Contents::JpegXs(stream) => codestream::caps(stream, is_source).ok_or_else(none),
    }
}

/// All caps that any session may have.
pub(crate) fn template() -> gst::Caps {
    let mut all = formats::template();
    all.merge(sound::template());
    all.merge(data::template());
    all.merge(codestream::template());
    all
}

/// The one pad of an element.
pub(crate) fn pads(name: &str, direction: gst::PadDirection) -> Vec<gst::PadTemplate> {
    let pad = gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &template());
    vec![pad.expect("the template is well formed")]
}

/// Time of a frame or block.
pub(crate) fn frame_time(contents: &Contents) -> gst::ClockTime {
    match contents {
        Contents::Video(layout) => formats::frame_time(layout),
        Contents::Audio(format) => sound::frame_time(format),
        Contents::Ancillary(stream) => gst::ClockTime::from_nseconds(stream.unit_rate().nanos(1)),
        Contents::JpegXs(stream) => gst::ClockTime::from_nseconds(stream.unit_rate().nanos(1)),
    }
}

/// Whether a pipeline can know what the bytes of a frame or block are.
pub(crate) fn is_readable(frame: &OwnedFrame<Contents>) -> bool {
    frame.buffers().all(codestream::has_headers)
}

/// The bytes of each buffer that a pipeline gets of a frame or block, if they are not its own.
pub(crate) fn converted(
    contents: &Contents,
    unit: &OwnedBuffer<Contents>,
    alignment: Alignment,
) -> Option<Vec<Vec<u8>>> {
    match contents {
        Contents::Video(_) => None,
        Contents::Audio(format) => sound::converted(format, unit).map(|it| vec![it]),
        Contents::Ancillary(_) => Some(data::given(unit, alignment)),
        Contents::JpegXs(_) => codestream::of(unit).map(|it| vec![it]),
    }
}

/// Why what a pipeline gives is no frame of a session.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotSent {
    #[error(transparent)]
    Packets(#[from] data::NotSent),
    #[error(transparent)]
    Codestream(#[from] codestream::OtherSize),
    #[error("no bytes of it are a frame")]
    Other,
}

/// Fills a buffer of a session of packets or codestreams with what a pipeline gives.
pub(crate) fn fill(contents: &Contents, given: &[u8], unit: &mut [u8]) -> Result<(), NotSent> {
    match contents {
        Contents::Ancillary(_) => Ok(data::fill(given, unit)?),
        Contents::JpegXs(stream) => Ok(codestream::fill(stream, given, unit)?),
        Contents::Video(_) | Contents::Audio(_) => Err(NotSent::Other),
    }
}

/// Whether a session has fields, which are put together.
pub(crate) fn has_fields(contents: &Contents) -> bool {
    contents.pictures().is_some_and(formats::has_fields)
}

/// Whether a session that came back has what the one before had, in whatever layout.
pub(crate) fn are_alike(now: &Contents, before: &Contents) -> bool {
    match (now, before) {
        (Contents::Video(now), Contents::Video(before)) => now.video == before.video,
        (now, before) => now == before,
    }
}

/// Bytes of a frame in this format, if the element makes it: of fields, or of other pixels. 0: the session's are given.
pub(crate) fn made_bytes(contents: &Contents, format: Option<PixelFormat>) -> usize {
    let pair = contents.pictures().zip(format);
    let made =
        pair.filter(|(layout, format)| formats::has_fields(layout) || !is_direct(layout, *format));
    made.map_or(0, |(layout, format)| {
        format.planes(&layout.frame_picture()).bytes
    })
}
