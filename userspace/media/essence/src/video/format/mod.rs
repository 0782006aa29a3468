//! Format of frames: raster, samples, scan, rate; and how their packets are made.

mod appearance;
mod check;
mod error;
mod rate;
mod sampling;
mod scan;
mod video_format;

use crate::STANDARD_MAX_UDP;
use crate::document::words::words;

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
pub use video_format::{Pgroups, VideoFormat};

words! {
    /// How lines are cut into packets (ST 2110-20 §6.3).
    #[derive(Default)]
    Packing {
        /// General packing mode: any number of whole pixel groups.
        #[default]
        General "general",
        /// Block packing mode: multiples of 180 bytes.
        Block "block",
    }
}

words! {
    // The strictest one is first: they are ordered.
    /// How evenly a sender spreads its packets: its type (ST 2110-21 §7).
    #[derive(Default, PartialOrd, Ord)]
    SenderType {
        /// Type N: a few packets at a time, in the active part of the picture only (gapped).
        Narrow "narrow",
        /// Type NL: a few packets at a time, over the whole frame (linear).
        NarrowLinear "narrow_linear",
        /// Type W: bursts, over the whole frame.
        #[default]
        Wide "wide",
    }
}

/// A video format and how its packets are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VideoStream {
    /// Format of the frames.
    pub format: VideoFormat,
    /// How a sender cuts lines into packets.
    pub packing: Packing,
    /// Largest UDP datagram that a sender makes, UDP header included.
    pub max_udp: u16,
    /// Send: how the packets are spread; a checked specification of a send session has it. Receive: the
    /// type that the sender says it is (`TP` in SDP), by which its timing is judged.
    pub sender_type: Option<SenderType>,
    /// TROFFSET in µs, less than a frame: from the frame's time to the read of its first packet (`TROFF` in
    /// SDP). `None`: the default of ST 2110-21 for the raster. Send: frames start by it. Receive: what the
    /// sender says.
    pub tr_offset_us: Option<u32>,
    /// Most packets that the network model may hold, 1 or more (`CMAX` in SDP). `None`: the limit of the
    /// sender type. Send: the sender keeps to it. Receive: what the sender says.
    pub cmax: Option<u32>,
    /// Appearance of the pictures as the sender declares it.
    pub appearance: Appearance,
    /// The version of the standard that the sender names (`SSN` in SDP).
    pub standard: Option<VideoStandard>,
}

/// Sent as a receiver expects it, if its sender says nothing.
impl From<VideoFormat> for VideoStream {
    fn from(format: VideoFormat) -> Self {
        Self {
            format,
            packing: Packing::default(),
            max_udp: STANDARD_MAX_UDP,
            sender_type: None,
            tr_offset_us: None,
            cmax: None,
            appearance: Appearance::default(),
            standard: None,
        }
    }
}
