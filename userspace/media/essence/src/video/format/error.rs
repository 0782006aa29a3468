//! Why a format is not carried.

use super::{Depth, Sampling};

/// Largest width in pixels, and height in lines (ST 2110-20 §7.2).
pub(super) const MAX_WIDTH: u32 = 32_767;
pub(super) const MAX_HEIGHT: u32 = 32_767;

/// Why OnAir does not carry a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VideoError {
    /// Width out of range.
    #[error("{0} is out of range: give 1 to {most} pixels", most = MAX_WIDTH)]
    Width(u32),
    /// Odd width where a pgroup needs pairs.
    #[error("{0} is odd: 4:2:2 and 4:2:0 carry pixels in pairs, give an even width")]
    OddWidth(u32),
    /// Height out of range.
    #[error("{0} is out of range: give 1 to {most} lines, of two fields 2", most = MAX_HEIGHT)]
    Height(u32),
    /// Odd height where a pgroup has two lines.
    #[error("{0} is odd: 4:2:0 carries lines in pairs, give an even height")]
    OddHeight(u32),
    /// A depth that the sampling does not have.
    #[error("{0} has no samples of {1} bits: give 8, 10 or 12 (ST 2110-20 §6.2.5)")]
    NoPgroup(Sampling, Depth),
    /// 4:2:0 is progressive only.
    #[error("{0} is progressive only (ST 2110-20 §6.2.5): leave it out, or give another sampling")]
    Progressive(Sampling),
    /// A frame larger than [`MAX_UNIT_BYTES`](crate::MAX_UNIT_BYTES).
    #[error(
        "a frame has {0} bytes, and {most} are supported: give a smaller picture or fewer bits",
        most = crate::MAX_UNIT_BYTES
    )]
    FrameBytes(u64),
}
