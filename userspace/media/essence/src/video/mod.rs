//! Uncompressed video in the pgroup layout of RFC 4175 §4.3, as in ST 2110-20.

pub mod assembly;
pub(crate) mod document;
mod essence;
mod format;
pub mod pacing;
pub mod pattern;
mod picture;
mod sending;
pub mod st2110_20;
pub mod st2110_21;
pub mod timing;

pub use crate::{EXTENDED_MAX_UDP, STANDARD_MAX_UDP};
pub use document::{ListedVideo, VideoDocument, VideoPatch};
pub(crate) use format::picture_document;
pub use format::{
    Appearance, AspectError, Chroma, Colorimetry, Depth, Field, FrameRate, Packing, Pgroup,
    Pgroups, PixelAspect, RTP_CLOCK_HZ, RateError, Sampling, Scan, SenderType,
    TransferCharacteristics, VIDEO_RATES, VideoError, VideoFormat, VideoRange, VideoStandard,
    VideoStream, tag,
};
pub use picture::{MeasuredRate, Picture, PictureSamples};
pub use sending::{FramePacketiser, TestPattern, VideoNotSendable};
pub use timing::VideoTiming;
