//! Format of frames: raster, samples, scan, rate; and how their packets are made.

mod appearance;
mod check;
mod error;
mod rate;
mod sampling;
mod scan;
mod stream;
mod video_format;

pub(crate) use appearance::picture_document;
pub use appearance::{
    Appearance, AspectError, Colorimetry, PixelAspect, TransferCharacteristics, VideoRange,
    VideoStandard,
};
pub use error::VideoError;
pub use rate::{FrameRate, RTP_CLOCK_HZ, RateError, VIDEO_RATES};
pub use sampling::{Chroma, Depth, Pgroup, Sampling};
pub use scan::Scan;
pub use scan::{Field, tag};
pub use stream::{Packing, SenderType, VideoStream};
pub use video_format::{Pgroups, VideoFormat};
