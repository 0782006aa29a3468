//! Uncompressed video in the pgroup layout of RFC 4175 §4.3, as in ST 2110-20.

pub mod assembly;
mod check;
mod document;
mod essence;
mod field;
mod format;
pub mod pacing;
pub mod pattern;
mod rate;
mod sampling;
mod sending;
mod signal;
pub mod st2110_20;
pub mod st2110_21;
mod stream;
pub mod survey;
mod words;

pub use crate::{EXTENDED_MAX_UDP, STANDARD_MAX_UDP};
pub use check::VideoError;
pub use document::{VideoDocument, VideoPatch};
pub use essence::VideoNotSendable;
pub use field::{Field, tag};
pub use format::{Place, VideoFormat};
pub use rate::{FrameRate, RateError};
pub use sampling::{Chroma, Depth, Pgroup, Sampling};
pub use sending::FramePacketiser;
pub use signal::TestPattern;
pub use stream::{Packing, SenderType, VideoStream};
pub use words::Scan;

/// RTP clock of video, in hertz (RFC 4175 §4.1).
pub const RTP_CLOCK_HZ: u32 = 90_000;
