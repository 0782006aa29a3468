//! Which formats there are.

use super::{Chroma, Depth, Pgroup, Sampling, Scan, VideoFormat};

/// Why OnAir does not carry a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VideoError {
    /// Width out of range.
    #[error("{0} is out of range: give 1 to {most} pixels", most = VideoFormat::MAX_WIDTH)]
    Width(u32),
    /// Odd width where a pgroup needs pairs.
    #[error("{0} is odd: 4:2:2 and 4:2:0 carry pixels in pairs, give an even width")]
    OddWidth(u32),
    /// Height out of range.
    #[error("{0} is out of range: give 1 to {most} lines, of two fields 2", most = VideoFormat::MAX_HEIGHT)]
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
    /// A frame larger than [`VideoFormat::MAX_FRAME_BYTES`].
    #[error(
        "a frame has {0} bytes, and {most} are supported: give a smaller picture or fewer bits",
        most = VideoFormat::MAX_FRAME_BYTES
    )]
    FrameBytes(u64),
}

impl VideoFormat {
    /// Largest width, in pixels (ST 2110-20 §7.2).
    pub const MAX_WIDTH: u32 = 32_767;
    /// Largest height, in lines (ST 2110-20 §7.2).
    pub const MAX_HEIGHT: u32 = 32_767;
    /// Most bytes of a frame: more than 8192x4320 needs with three samples of 16 bits.
    pub const MAX_FRAME_BYTES: u32 = crate::MAX_UNIT_BYTES;

    /// Whether lines can be `width` pixels wide.
    ///
    /// # Errors
    /// [`VideoError::Width`], [`VideoError::OddWidth`].
    pub const fn check_width(width: u32, sampling: Sampling) -> Result<(), VideoError> {
        if width == 0 || width > Self::MAX_WIDTH {
            return Err(VideoError::Width(width));
        }
        if sampling.chroma().is_in_pairs() && !width.is_multiple_of(2) {
            return Err(VideoError::OddWidth(width));
        }
        Ok(())
    }

    /// Whether frames can be `height` lines high.
    ///
    /// # Errors
    /// [`VideoError::Height`], [`VideoError::OddHeight`].
    pub const fn check_height(height: u32, sampling: Sampling) -> Result<(), VideoError> {
        if height == 0 || height > Self::MAX_HEIGHT {
            return Err(VideoError::Height(height));
        }
        if matches!(sampling.chroma(), Chroma::Quarter) && !height.is_multiple_of(2) {
            return Err(VideoError::OddHeight(height));
        }
        Ok(())
    }

    /// Whether the lines can have this order.
    ///
    /// # Errors
    /// [`VideoError::Progressive`].
    pub const fn check_scan(scan: Scan, sampling: Sampling) -> Result<(), VideoError> {
        match (scan, sampling.chroma()) {
            (Scan::Interlaced | Scan::Psf, Chroma::Quarter) => {
                Err(VideoError::Progressive(sampling))
            }
            _ => Ok(()),
        }
    }

    /// The pixel group of samples.
    ///
    /// # Errors
    /// [`VideoError::NoPgroup`].
    pub const fn check_samples(sampling: Sampling, depth: Depth) -> Result<Pgroup, VideoError> {
        match Pgroup::of(sampling, depth) {
            Some(pgroup) => Ok(pgroup),
            None => Err(VideoError::NoPgroup(sampling, depth)),
        }
    }
}
