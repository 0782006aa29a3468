//! Caps of a session.

use gst::glib::translate::IntoGlib as _;
use gstreamer as gst;
use gstreamer_video as gst_video;
use gstreamer_video::prelude::*;
use onair::{
    Appearance, Colorimetry, Layout, PixelFormat, Sampling, Scan, TransferCharacteristics,
    VideoRange,
};

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

/// Caps of these formats, in their order. The order of fields and the colours are a source's: a sink looks at each
/// buffer's fields, and sends any colours.
pub(crate) fn caps(layout: &Layout, formats: &[PixelFormat], is_source: bool) -> gst::Caps {
    let mut all: gst::Caps = formats
        .iter()
        .filter_map(|it| structure(layout, *it))
        .collect();
    let said = layout.appearance.understood();
    if let Some(aspect) = said.pixel_aspect {
        let (width, height) = aspect.ratio();
        let aspect = gst::Fraction::new(width.into(), height.into());
        all.make_mut().set("pixel-aspect-ratio", aspect);
    }
    if is_source && has_fields(layout) {
        all.make_mut().set("field-order", "top-field-first");
    }
    let video = &layout.video;
    let samples = (video.sampling(), video.depth().bits(), video.height());
    if let Some(colours) = colorimetry(said, samples).filter(|_| is_source) {
        all.make_mut().set("colorimetry", colours);
    }
    all
}

/// GStreamer's name of colours of pictures with this sampling, depth and height; `None`: it knows none of them.
pub(crate) fn colorimetry(
    said: Appearance,
    (sampling, bits, height): (Sampling, u8, u32),
) -> Option<String> {
    use gst_video::{VideoColorMatrix as M, VideoColorPrimaries as P, VideoColorRange as R};
    let range = match said.range {
        None => R::Unknown,
        Some(VideoRange::Narrow) => R::Range16_235,
        Some(VideoRange::Full | VideoRange::FullProtect) => R::Range0_255,
    };
    let (matrix, primaries) = match said.colorimetry? {
        Colorimetry::Bt601 if height == 576 => (M::Bt601, P::Bt470bg),
        Colorimetry::Bt601 => (M::Bt601, P::Smpte170m),
        Colorimetry::Bt709 => (M::Bt709, P::Bt709),
        Colorimetry::Bt2020 | Colorimetry::Bt2100 => (M::Bt2020, P::Bt2020),
        _ => return None,
    };
    let matrix = match sampling {
        Sampling::Rgb => M::Rgb,
        Sampling::YCbCr444 | Sampling::YCbCr422 | Sampling::YCbCr420 => matrix,
        _ => M::Unknown,
    };
    // By their numbers, which no version's feature hides: GST_VIDEO_TRANSFER_….
    let transfer = match (said.transfer, said.colorimetry?, bits) {
        (Some(TransferCharacteristics::Sdr), Colorimetry::Bt601, _) => 16,
        (Some(TransferCharacteristics::Sdr), Colorimetry::Bt709, _) => 5,
        (Some(TransferCharacteristics::Sdr), _, 12..) => 11,
        (Some(TransferCharacteristics::Sdr), ..) => 13,
        (Some(TransferCharacteristics::Pq), ..) => 14,
        (Some(TransferCharacteristics::Hlg), ..) => 15,
        (Some(TransferCharacteristics::Linear), ..) => 1,
        _ => 0,
    };
    let numbers = [
        range.into_glib(),
        matrix.into_glib(),
        transfer,
        primaries.into_glib(),
    ];
    let text = numbers.map(|it| it.to_string()).join(":");
    let known = text.parse::<gst_video::VideoColorimetry>();
    Some(known.map_or(text, |it| it.to_string()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_that_are_said_then_gstreamers_name_for_them() {
        use Colorimetry as C;
        use TransferCharacteristics as T;
        gst::init().unwrap();
        let said = |colorimetry, transfer, range| Appearance {
            colorimetry,
            transfer,
            range,
            ..Appearance::UNKNOWN
        };
        let hd = (Sampling::YCbCr422, 10, 1080);
        for (said, samples, expected) in [
            (said(None, None, None), hd, None),
            (said(Some(C::Unspecified), None, None), hd, None),
            (said(Some(C::Alpha), Some(T::Linear), None), hd, None),
            (said(Some(C::Bt709), None, None), hd, Some("bt709")),
            (
                said(Some(C::Bt601), None, None),
                (hd.0, 8, 480),
                Some("bt601"),
            ),
            (said(Some(C::Bt2020), None, None), hd, Some("bt2020-10")),
            (
                said(Some(C::Bt2100), Some(T::Pq), None),
                hd,
                Some("bt2100-pq"),
            ),
            (
                said(Some(C::Bt2100), Some(T::Hlg), None),
                hd,
                Some("bt2100-hlg"),
            ),
            (
                said(Some(C::Bt2100), Some(T::Hlg), Some(VideoRange::Full)),
                hd,
                Some("1:6:15:7"),
            ),
        ] {
            let found = colorimetry(said.understood(), samples);
            assert_eq!(found.as_deref(), expected, "{said:?}");
        }
    }
}
