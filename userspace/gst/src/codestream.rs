//! Caps and bytes of a session of JPEG XS: codestreams without the boxes before them, as GStreamer has them.

use gstreamer as gst;
use onair::{
    AnySession, BufferOf, CodestreamView, Contents, Error, JpegXsStream, LenderOf, Timeout,
};

/// All caps that any session may have.
pub(crate) fn template() -> gst::Caps {
    gst::Caps::builder("image/x-jxsc").build()
}

/// The caps of a session; `None`: more than GStreamer counts. A buffer is a frame or, interlaced, a field.
pub(crate) fn caps(stream: &JpegXsStream) -> Option<gst::Caps> {
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
    Some(caps.build())
}

/// The codestream of a buffer; `None`: it is of another essence, or has no headers, because they were lost.
pub(crate) fn of<S: LenderOf<Layout = Contents>>(buffer: &BufferOf<S>) -> Option<Vec<u8>> {
    let view = CodestreamView::of(buffer)?;
    view.codestream().ok().map(<[u8]>::to_vec)
}

/// Sends what a pipeline gives: a unit with its boxes, of the session's size. Returns whether it has that size.
pub(crate) fn send(session: &AnySession, unit: &[u8]) -> Result<bool, Error> {
    let mut buffer = session.buffer_get_mut(Timeout::NEVER)?;
    if buffer.len() != unit.len() {
        return Ok(false);
    }
    buffer.copy_from_slice(unit);
    buffer.submit()?;
    Ok(true)
}
