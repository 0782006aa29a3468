//! Caps of a session.

use gstreamer as gst;
use gstreamer_video as gst_video;
use gstreamer_video::prelude::*;
use onair::{Layout, PixelFormat, Scan};

/// Why a session has no caps.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoCaps {
    #[error("GStreamer has no format for {0}")]
    Samples(String),
}

/// The pixel formats of GStreamer that hold a session's frames, the best one first.
pub(crate) fn offered(layout: &Layout) -> Result<Vec<PixelFormat>, NoCaps> {
    let mut all: Vec<_> = match layout.pixel_format {
        Some(own) => vec![own],
        None => PixelFormat::of(&layout.frame_picture()).collect(),
    };
    all.retain(|it| it.gstreamer().is_some());
    // What takes no conversion in the daemon, then the smallest.
    all.sort_by_key(|it| {
        (
            !is_direct(layout, *it),
            it.planes(&layout.frame_picture()).bytes,
        )
    });
    match all.is_empty() {
        true => Err(NoCaps::Samples(layout.video.to_string())),
        false => Ok(all),
    }
}

/// Whether a session's buffers are of fields.
pub(crate) fn has_fields(layout: &Layout) -> bool {
    layout.video.scan() == Scan::Interlaced
}

/// Whether a session's buffers have these pixels, byte for byte, or are fields, which are converted when they are put
/// together.
pub(crate) fn is_direct(layout: &Layout, format: PixelFormat) -> bool {
    match layout.pixel_format {
        Some(own) => own == format,
        None if has_fields(layout) => true,
        None => matches!(
            format,
            PixelFormat::Uyvy | PixelFormat::Rgb24 | PixelFormat::Gray
        ),
    }
}

/// Caps of these formats, in their order. The order of fields is a source's: a sink looks at each buffer's.
pub(crate) fn caps(layout: &Layout, formats: &[PixelFormat], is_source: bool) -> gst::Caps {
    let mut all: gst::Caps = formats
        .iter()
        .filter_map(|it| structure(layout, *it))
        .collect();
    if is_source && has_fields(layout) {
        all.make_mut().set("field-order", "top-field-first");
    }
    all
}

fn structure(layout: &Layout, format: PixelFormat) -> Option<gst::Structure> {
    let video = &layout.video;
    let rate = gst::Fraction::new(
        i32::try_from(video.rate().numerator()).ok()?,
        i32::try_from(video.rate().denominator()).ok()?,
    );
    let mode = match has_fields(layout) {
        true => "interleaved",
        false => "progressive",
    };
    Some(
        gst::Structure::builder("video/x-raw")
            .field("format", format.gstreamer()?)
            .field("width", i32::try_from(video.width()).ok()?)
            .field("height", i32::try_from(video.height()).ok()?)
            .field("framerate", rate)
            .field("pixel-aspect-ratio", gst::Fraction::new(1, 1))
            .field("interlace-mode", mode)
            .build(),
    )
}

/// The pixel format of negotiated caps.
pub(crate) fn chosen(caps: &gst::CapsRef) -> Option<PixelFormat> {
    let name = caps.structure(0)?.get::<&str>("format").ok()?;
    name.parse().ok()
}

/// All caps that any session may have.
pub(crate) fn template() -> gst::Caps {
    let names = PixelFormat::ALL.iter().filter_map(|it| it.gstreamer());
    gst_video::VideoCapsBuilder::new()
        .format_list(names.map(gst_video::VideoFormat::from_string))
        .build()
}

/// Time of a frame.
pub(crate) fn frame_time(layout: &Layout) -> gst::ClockTime {
    gst::ClockTime::from_nseconds(layout.video.rate().nanos(1))
}

/// Puts where the planes lie on a buffer, and which field is first.
pub(crate) fn add_meta(
    buffer: &mut gst::BufferRef,
    layout: &Layout,
    format: PixelFormat,
) -> Result<(), gst::glib::BoolError> {
    let name = format.gstreamer().unwrap_or_default();
    let planes = format.planes(&layout.frame_picture());
    let offsets: Vec<_> = planes.all().iter().map(|it| it.offset).collect();
    let strides: Vec<_> = planes
        .all()
        .iter()
        .map(|it| i32::try_from(it.stride).unwrap_or(i32::MAX))
        .collect();
    let mut flags = gst_video::VideoFrameFlags::empty();
    if has_fields(layout) {
        use gst_video::VideoBufferFlags as Of;
        flags = gst_video::VideoFrameFlags::INTERLACED | gst_video::VideoFrameFlags::TFF;
        buffer.set_video_flags(Of::INTERLACED | Of::TFF);
    }
    gst_video::VideoMeta::add_full(
        buffer,
        flags,
        gst_video::VideoFormat::from_string(name),
        layout.video.width(),
        layout.video.height(),
        &offsets,
        &strides,
    )
    .map(drop)
}
