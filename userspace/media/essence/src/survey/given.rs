//! Facts about a stream besides its packets.

use super::guess::Guess;
use crate::audio::Coding;
use crate::video::st2110_21::Reads;
use crate::video::{Scan, SenderType};

/// A user's facts about a video: they come before a description and before guesses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UserFacts {
    /// Lines of a frame, of both fields together.
    pub height: Option<u32>,
    /// Whether a frame has two fields or segments.
    pub interlaced: bool,
    /// Frames a second: numerator and denominator, both above 0.
    pub rate: Option<(u32, u32)>,
    /// Packets of a frame, or of a field.
    pub packets: Option<u32>,
    /// The packet read schedule of the sender.
    pub reads: Option<Reads>,
    /// TROFFSET in nanoseconds.
    pub offset_ns: Option<u64>,
}

/// Facts about a stream in its session description.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Described {
    /// Its essence.
    pub essence: Guess,
    /// Its format, if it is uncompressed video.
    pub video: Option<DescribedVideo>,
    /// Samples a second of audio.
    pub sample_rate: Option<u32>,
    /// Coding and channels of audio.
    pub samples: Option<(Coding, u32)>,
}

/// The format of uncompressed video, as a session description has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DescribedVideo {
    /// Pixels of a line.
    pub width: u32,
    /// Lines of a frame, of both fields together.
    pub height: u32,
    /// Order of the lines.
    pub scan: Scan,
    /// Frames a second, if they are described: numerator and denominator.
    pub rate: Option<(u32, u32)>,
    /// The sender's type, and its name in the description (`TP`).
    pub sender: Option<(SenderType, &'static str)>,
    /// TROFFSET in microseconds.
    pub tr_offset_us: Option<u32>,
}
