//! Caps and bytes of a session of JPEG XS: codestreams without the boxes before them, as GStreamer has them.

use crate::formats::colorimetry;
use gstreamer as gst;
use onair::{BufferOf, CodestreamView, Contents, JpegXsStream, LenderOf, Status};

/// All caps that any session may have.
pub(crate) fn template() -> gst::Caps {
    gst::Caps::builder("image/x-jxsc").build()
}

/// The caps of a session; `None`: more than GStreamer counts. A buffer is a frame or, interlaced, a field.
pub(crate) fn caps(stream: &JpegXsStream, is_source: bool) -> Option<gst::Caps> {
    let number = |it: u32| i32::try_from(it).ok();
    let rate = (
        number(stream.rate.numerator())?,
        number(stream.rate.denominator())?,
    );
    let (alignment, mode) = match stream.interlaced {
        false => ("frame", "progressive"),
        true => ("picture", "fields"),
    };
    let caps = gst::Caps::builder("image/x-jxsc")
        .field("alignment", alignment)
        .field("interlace-mode", mode)
        .field("sampling", stream.sampling.as_str())
        .field("depth", i32::from(stream.depth.bits()))
        .field("width", number(stream.width)?)
        .field("height", number(stream.height)?)
        .field("framerate", gst::Fraction::new(rate.0, rate.1));
    let said = stream.appearance.understood();
    let samples = (stream.sampling, stream.depth.bits(), stream.height);
    let aspect = said.pixel_aspect.map(|it| {
        let (width, height) = it.ratio();
        gst::Fraction::new(width.into(), height.into())
    });
    let caps = caps.field_if_some("pixel-aspect-ratio", aspect);
    let colours = colorimetry(said, samples).filter(|_| is_source);
    Some(caps.field_if_some("colorimetry", colours).build())
}

/// The codestream of a buffer; `None`: it is of another essence, or has no headers.
pub(crate) fn of<S: LenderOf<Layout = Contents>>(buffer: &BufferOf<S>) -> Option<Vec<u8>> {
    let view = CodestreamView::of(buffer)?;
    view.codestream().ok().map(<[u8]>::to_vec)
}

/// Whether a buffer has a codestream's own headers, or is of another essence. Where a lost packet had them, there may be
/// those of an earlier one.
pub(crate) fn has_headers<S: LenderOf<Layout = Contents>>(buffer: &BufferOf<S>) -> bool {
    let Some(view) = CodestreamView::of(buffer) else {
        return true;
    };
    let came = match buffer.status() {
        Status::Complete => true,
        Status::Incomplete(it) => it.ranges().all(|range| range.offset > 0),
    };
    came && view.codestream().is_ok()
}

/// A codestream of another size than the session's.
#[derive(Debug, thiserror::Error)]
#[error(
    "a buffer has {given} bytes, and one of the session {wanted}, or {} without the boxes: let the encoder write as many",
    wanted.saturating_sub(*boxes)
)]
pub(crate) struct OtherSize {
    given: usize,
    wanted: usize,
    boxes: usize,
}

/// Fills a buffer with a codestream, which must have its size: with the boxes of its own, or else those of the session.
pub(crate) fn fill(
    stream: &JpegXsStream,
    codestream: &[u8],
    unit: &mut [u8],
) -> Result<(), OtherSize> {
    let (given, wanted) = (codestream.len(), unit.len());
    if given == wanted {
        unit.copy_from_slice(codestream);
        return Ok(());
    }
    let boxes = CodestreamView::boxes_of(stream);
    if given + boxes.len() != wanted {
        let boxes = boxes.len();
        return Err(OtherSize {
            given,
            wanted,
            boxes,
        });
    }
    let (before, behind) = unit.split_at_mut(boxes.len());
    before.copy_from_slice(&boxes);
    behind.copy_from_slice(codestream);
    Ok(())
}
