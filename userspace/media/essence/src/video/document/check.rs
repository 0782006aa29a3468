//! Checks of the video format.

use super::VideoDocument;
use crate::invalid::{OutOfRange, Problems, SpecErrors, within};
use crate::video::{Depth, FrameRate, Sampling, VideoError, VideoFormat, VideoStream};
use crate::{EXTENDED_MAX_UDP, STANDARD_MAX_UDP};

/// Why a value of a picture is invalid.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Invalid {
    #[error(transparent)]
    Range(#[from] OutOfRange),
    #[error(transparent)]
    Video(#[from] VideoError),
    #[error("{0} bits a sample are not supported: give 8, 10, 12 or 16")]
    Depth(u32),
    #[error("floating point samples have 16 bits, not {0}: leave it out, or give a depth of 16")]
    Float(u32),
}

/// Smallest width, in pixels.
const MIN_WIDTH: u32 = 16;
/// Smallest height, in lines.
const MIN_HEIGHT: u32 = 2;
/// Smallest `max_udp`: what each host must accept in one piece (RFC 1122 §3.3.2).
const LEAST_MAX_UDP: u32 = 576;

impl TryFrom<&VideoDocument> for VideoStream {
    type Error = SpecErrors;

    fn try_from(video: &VideoDocument) -> Result<Self, SpecErrors> {
        let mut problems = Problems::default();
        check_video(video, &mut problems).ok_or(problems.into())
    }
}

fn check_video(video: &VideoDocument, p: &mut Problems) -> Option<VideoStream> {
    let sampling = video.sampling.unwrap_or_default();
    let width = p.take("video.width", check_width(video.width, sampling));
    let height = p.take("video.height", check_height(video.height, sampling));
    let frame_rate = p.take("video.frame_rate", video.frame_rate.parse::<FrameRate>());
    let is_float = video.float.unwrap_or_default();
    let depth = p.take("video.depth", check_depth(video.depth, is_float, sampling));
    let scan = video.scan.unwrap_or_default();
    let is_scan = p.take("video.scan", VideoFormat::check_scan(scan, sampling));
    let max_udp = p.take("video.max_udp", check_max_udp(video.max_udp));
    let tr_offset = frame_rate.map(|rate| check_tr_offset(video.tr_offset_us, rate));
    let tr_offset_us = tr_offset.and_then(|it| p.take("video.tr_offset_us", it));
    let cmax = p.take("video.cmax", check_cmax(video.cmax));
    let (max_udp, tr_offset_us, cmax) = (max_udp?, tr_offset_us?, cmax?);
    is_scan?;
    // All that is left is the size of a frame.
    let format = VideoFormat::of((width?, height?), (sampling, depth?), scan, frame_rate?);
    Some(VideoStream {
        format: p.take("video.height", format)?,
        packing: video.packing.unwrap_or_default(),
        max_udp,
        sender_type: video.sender_type,
        tr_offset_us,
        cmax,
        appearance: video.appearance(),
        standard: video.standard,
    })
}

pub(crate) fn check_max_udp(given: Option<u32>) -> Result<u16, Invalid> {
    let bytes = given.unwrap_or(STANDARD_MAX_UDP.into());
    let bytes = within(bytes, LEAST_MAX_UDP..=EXTENDED_MAX_UDP.into(), " bytes")?;
    Ok(u16::try_from(bytes).expect("at most EXTENDED_MAX_UDP"))
}

pub(crate) fn check_cmax(given: Option<u32>) -> Result<Option<u32>, Invalid> {
    let cmax = given.map(|packets| within(packets, 1..=u32::MAX, " packets"));
    Ok(cmax.transpose()?)
}

pub(crate) fn check_width(width: u32, sampling: Sampling) -> Result<u32, Invalid> {
    let width = within(width, MIN_WIDTH..=VideoFormat::MAX_WIDTH, " pixels")?;
    VideoFormat::check_width(width, sampling)?;
    Ok(width)
}

pub(crate) fn check_height(height: u32, sampling: Sampling) -> Result<u32, Invalid> {
    let height = within(height, MIN_HEIGHT..=VideoFormat::MAX_HEIGHT, " lines")?;
    VideoFormat::check_height(height, sampling)?;
    Ok(height)
}

fn check_depth(bits: u32, is_float: bool, sampling: Sampling) -> Result<Depth, Invalid> {
    let depth = Depth::from_bits(bits, is_float);
    let depth = depth.ok_or(match Depth::from_bits(bits, false) {
        Some(_) => Invalid::Float(bits),
        None => Invalid::Depth(bits),
    })?;
    VideoFormat::check_samples(sampling, depth)?;
    Ok(depth)
}

/// Less than a frame (ST 2110-21 §6.2): more would be the offset of another frame.
pub(crate) fn check_tr_offset(us: Option<u32>, rate: FrameRate) -> Result<Option<u32>, Invalid> {
    let last_us = rate.nanos(1).saturating_sub(1) / 1000;
    let most = u32::try_from(last_us).unwrap_or(u32::MAX);
    let offset = us.map(|us| within(us, 0..=most, " microseconds, less than a frame"));
    Ok(offset.transpose()?)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::Format;

    fn check(video: Value) -> Result<VideoFormat, Vec<String>> {
        let mut document =
            json!({"width": 720, "height": 486, "frame_rate": "30000/1001", "depth": 10});
        let changed = video.as_object().unwrap().clone();
        document.as_object_mut().unwrap().extend(changed);
        let document: VideoDocument = serde_json::from_value(document).unwrap();
        let stream = VideoStream::try_from(&document);
        let stream =
            stream.map_err(|errors| errors.0.into_iter().map(|it| it.field).collect::<Vec<_>>())?;
        let format = Format::Video(stream);
        let text = serde_json::to_string(&format).unwrap();
        assert!(text.starts_with(r#"{"video":{"#), "{text}");
        assert_eq!(serde_json::from_str::<Format>(&text).unwrap(), format);
        Ok(stream.format)
    }

    #[test]
    fn video_of_each_sampling_then_checked_and_written_as_it_was() {
        for sampling in Sampling::ALL {
            for depth in Depth::ALL {
                let video =
                    json!({"sampling": sampling, "depth": depth.bits(), "float": depth.is_float()});
                let valid = VideoFormat::check_samples(*sampling, *depth).is_ok();
                let checked = check(video);
                assert_eq!(checked.is_ok(), valid, "{sampling} {depth}: {checked:?}");
                if let Ok(format) = checked {
                    assert_eq!((format.sampling(), format.depth()), (*sampling, *depth));
                }
            }
        }
    }

    #[test]
    fn video_of_a_size_not_allowed_then_its_field_is_refused() {
        for (video, field) in [
            (json!({"width": 721}), "video.width"),
            (
                json!({"sampling": "YCbCr-4:2:0", "height": 487}),
                "video.height",
            ),
            (
                json!({"sampling": "YCbCr-4:2:0", "width": 721}),
                "video.width",
            ),
            (
                json!({"sampling": "YCbCr-4:2:0", "scan": "interlaced"}),
                "video.scan",
            ),
            (json!({"depth": 12, "float": true}), "video.depth"),
            (json!({"max_udp": 8961}), "video.max_udp"),
            (json!({"max_udp": 575}), "video.max_udp"),
            (json!({"tr_offset_us": 33_367}), "video.tr_offset_us"),
            (
                json!({"frame_rate": "120", "tr_offset_us": 9_000}),
                "video.tr_offset_us",
            ),
            (
                json!({"frame_rate": "25", "tr_offset_us": 40_000}),
                "video.tr_offset_us",
            ),
            (json!({"cmax": 0}), "video.cmax"),
            (
                json!({"sampling": "RGB", "width": 32_767, "height": 32_767}),
                "video.height",
            ),
        ] {
            assert_eq!(check(video.clone()), Err(vec![field.to_owned()]), "{video}");
        }
        for video in [
            json!({"sampling": "RGB", "width": 721, "height": 487, "scan": "interlaced"}),
            json!({"height": 487, "scan": "psf", "packing": "block", "max_udp": 8960}),
            json!({"sampling": "RGB", "depth": 16, "width": 8192, "height": 4320}),
            json!({"sampling": "KEY", "depth": 8, "width": 32_767, "height": 8192}),
            json!({"tr_offset_us": 33_366, "cmax": 1}),
            json!({"frame_rate": "25", "tr_offset_us": 39_999, "sender_type": "narrow"}),
            json!({"tr_offset_us": 0, "cmax": 4_000_000_000_u32}),
        ] {
            check(video.clone()).unwrap_or_else(|errors| panic!("{video}: {errors:?}"));
        }
    }
}
