//! The view of buffers with video: their fields, whole frames and pixels.

mod frame_error;
mod frames;
mod pairing;
mod pixels;

pub use frame_error::FrameError;
pub use frames::{Assembly, Frame, FrameOf, Frames, OwnedFrame};
pub use onair_essence::video::{
    Appearance, Colorimetry, Depth, Field, FrameRate, Pgroup, PixelAspect, Sampling, Scan,
    TransferCharacteristics, VideoFormat, VideoRange,
};
pub(crate) use pairing::{Pair, Pairing};
