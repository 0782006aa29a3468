//! Uncompressed video in the pgroup layout of RFC 4175 §4.3, as in ST 2110-20.

mod check;
mod format;
mod rate;
mod sampling;
mod stream;
mod words;

pub use check::VideoError;
pub use format::{Place, VideoFormat};
pub use rate::{FrameRate, RateError};
pub use sampling::{Chroma, Depth, Pgroup, Sampling};
pub use stream::{EXTENDED_MAX_UDP, Packing, STANDARD_MAX_UDP, SenderType, VideoStream};
pub use words::Scan;

/// RTP clock of video, in hertz (RFC 4175 §4.1).
pub const RTP_CLOCK_HZ: u32 = 90_000;
