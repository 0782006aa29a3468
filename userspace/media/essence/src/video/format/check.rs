//! Which formats there are.

use super::error::{MAX_HEIGHT, MAX_WIDTH, VideoError};
use super::{Chroma, Depth, Pgroup, Sampling, Scan, VideoFormat};

impl VideoFormat {
    /// Largest width, in pixels (ST 2110-20 §7.2).
    pub const MAX_WIDTH: u32 = MAX_WIDTH;
    /// Largest height, in lines (ST 2110-20 §7.2).
    pub const MAX_HEIGHT: u32 = MAX_HEIGHT;
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
