//! Caps of a session.

use gstreamer as gst;
use gstreamer_video as gst_video;
use onair::{Layout, PixelFormat, Scan};

/// Why a session has no caps.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoCaps {
    #[error("the session is interlaced: its buffers are fields, which this plug-in does not take")]
    Fields,
    #[error("GStreamer has no format for {0}")]
    Samples(String),
}

/// The pixel formats of GStreamer that hold a session's frames, the best one first.
pub(crate) fn offered(layout: &Layout) -> Result<Vec<PixelFormat>, NoCaps> {
    if layout.video.scan() == Scan::Interlaced {
        return Err(NoCaps::Fields);
    }
    let mut all: Vec<_> = match layout.pixel_format {
        Some(own) => vec![own],
        None => PixelFormat::of(&layout.frame_picture()).collect(),
    };
    all.retain(|it| it.gstreamer().is_some());
    // What the buffers have already, then the smallest.
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

/// Whether a session's buffers have these pixels, byte for byte.
pub(crate) fn is_direct(layout: &Layout, format: PixelFormat) -> bool {
    match layout.pixel_format {
        Some(own) => own == format,
        None => matches!(
            format,
            PixelFormat::Uyvy | PixelFormat::Rgb24 | PixelFormat::Gray
        ),
    }
}

/// Caps of these formats, in their order.
pub(crate) fn caps(layout: &Layout, formats: &[PixelFormat]) -> gst::Caps {
    let all = formats.iter().filter_map(|it| structure(layout, *it));
    all.collect()
}

fn structure(layout: &Layout, format: PixelFormat) -> Option<gst::Structure> {
    let video = &layout.video;
    let rate = gst::Fraction::new(
        i32::try_from(video.rate().numerator()).ok()?,
        i32::try_from(video.rate().denominator()).ok()?,
    );
    Some(
        gst::Structure::builder("video/x-raw")
            .field("format", format.gstreamer()?)
            .field("width", i32::try_from(video.width()).ok()?)
            .field("height", i32::try_from(video.height()).ok()?)
            .field("framerate", rate)
            .field("pixel-aspect-ratio", gst::Fraction::new(1, 1))
            .field("interlace-mode", "progressive")
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

/// Puts where the planes lie on a buffer.
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
    gst_video::VideoMeta::add_full(
        buffer,
        gst_video::VideoFrameFlags::empty(),
        gst_video::VideoFormat::from_string(name),
        layout.video.width(),
        layout.video.height(),
        &offsets,
        &strides,
    )
    .map(drop)
}
