//! Rasters, sample depths and frame rates: uncompressed progressive YCbCr 4:2:2 video in the pgroup
//! layout of RFC 4175 §4.3, as in ST 2110-20.

use std::fmt;
use std::str::FromStr;

/// RTP clock of video, in hertz (RFC 4175 §4.1).
pub const RTP_CLOCK_HZ: u32 = 90_000;

/// Pixels in one pgroup of 4:2:2 (RFC 4175 §4.3).
pub const PGROUP_PIXELS: u32 = 2;

/// Largest width in pixels.
pub const MAX_WIDTH: u32 = 4096;

/// Largest height in lines.
pub const MAX_HEIGHT: u32 = 2160;

/// Highest frame rate in frames per second.
pub const MAX_RATE: u32 = 120;

const NANOS_PER_SECOND: u32 = 1_000_000_000;

/// Why OnAir does not support a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VideoError {
    /// Width out of range, or odd (a pgroup has two pixels).
    #[error("width {0} is not carried: give an even number from 2 to {MAX_WIDTH}")]
    Width(u32),
    /// Height out of range.
    #[error("height {0} is not carried: give a number from 1 to {MAX_HEIGHT}")]
    Height(u32),
    /// Depth other than 8 and 10.
    #[error("depth {0} is not carried: give 8 or 10 bits")]
    Depth(u8),
    /// Rate that is zero, has no denominator, or is above [`MAX_RATE`].
    #[error(
        "frame rate {num}/{den} is not carried: give one above 0 and up to {MAX_RATE}, such as 60000/1001"
    )]
    Rate {
        /// Frames in `den` seconds.
        num: u32,
        /// Seconds of `num` frames.
        den: u32,
    },
    /// Text other than `num/den`.
    #[error("frame rate is not written as a fraction: give it as 60/1 or 60000/1001")]
    RateSyntax,
}

/// Bits of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Depth {
    /// 8 bits: a pgroup of 4 bytes, Cb Y0 Cr Y1.
    Eight,
    /// 10 bits: a pgroup of 5 bytes, Cb Y0 Cr Y1, most significant bit first.
    Ten,
}

impl Depth {
    /// Bits of a sample: 8 or 10.
    #[must_use]
    pub const fn bits(self) -> u8 {
        match self {
            Self::Eight => 8,
            Self::Ten => 10,
        }
    }

    /// Bytes of a pgroup, which has two pixels (RFC 4175 §4.3).
    #[must_use]
    pub const fn pgroup_bytes(self) -> usize {
        match self {
            Self::Eight => 4,
            Self::Ten => 5,
        }
    }

    /// Whole pgroups in this many bytes. Each depth divides by a constant.
    #[inline]
    #[must_use]
    pub const fn pgroups(self, bytes: usize) -> usize {
        match self {
            Self::Eight => bytes / 4,
            Self::Ten => bytes / 5,
        }
    }

    /// Whether this many bytes are whole pgroups.
    #[inline]
    #[must_use]
    pub const fn is_whole(self, bytes: usize) -> bool {
        self.pgroups(bytes) * self.pgroup_bytes() == bytes
    }
}

impl TryFrom<u8> for Depth {
    type Error = VideoError;

    fn try_from(bits: u8) -> Result<Self, VideoError> {
        match bits {
            8 => Ok(Self::Eight),
            10 => Ok(Self::Ten),
            other => Err(VideoError::Depth(other)),
        }
    }
}

/// Frames per second as an exact fraction; 60000/1001 stays 60000/1001.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FrameRate {
    num: u32,
    den: u32,
}

impl FrameRate {
    /// `num` frames in `den` seconds.
    ///
    /// # Errors
    /// [`VideoError::Rate`] unless `0 < num / den <=` [`MAX_RATE`].
    pub const fn new(num: u32, den: u32) -> Result<Self, VideoError> {
        if num == 0 || den == 0 || num as u64 > den as u64 * MAX_RATE as u64 {
            return Err(VideoError::Rate { num, den });
        }
        Ok(Self { num, den })
    }

    /// Numerator: frames in [`Self::den`] seconds.
    #[must_use]
    pub const fn num(self) -> u32 {
        self.num
    }

    /// Denominator: seconds of [`Self::num`] frames.
    #[must_use]
    pub const fn den(self) -> u32 {
        self.den
    }

    /// Start of frame `n` in nanoseconds after frame 0, rounded down, exact for every `n` (the
    /// error never grows). Saturates after 584 years.
    #[must_use]
    pub const fn nanos(self, n: u64) -> u64 {
        self.scaled(n, NANOS_PER_SECOND)
    }

    /// Start of frame `n` in ticks of the 90 kHz RTP clock after frame 0, rounded down. An RTP
    /// timestamp is its low 32 bits (ST 2110-10).
    #[must_use]
    pub const fn ticks(self, n: u64) -> u64 {
        self.scaled(n, RTP_CLOCK_HZ)
    }

    /// The last frame that starts at or before `nanos` after frame 0.
    #[must_use]
    pub const fn frame_at(self, nanos: u64) -> u64 {
        // nanos(n) <= t  <=>  n * den * 10^9 < (t + 1) * num
        let reached = (nanos as u128 + 1) * self.num as u128;
        let unit = self.den as u128 * NANOS_PER_SECOND as u128;
        saturate((reached - 1) / unit)
    }

    const fn scaled(self, n: u64, per_second: u32) -> u64 {
        saturate(n as u128 * per_second as u128 * self.den as u128 / self.num as u128)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "checked against the limit")]
const fn saturate(value: u128) -> u64 {
    if value > u64::MAX as u128 {
        u64::MAX
    } else {
        value as u64
    }
}

impl fmt::Display for FrameRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.num, self.den)
    }
}

impl FromStr for FrameRate {
    type Err = VideoError;

    fn from_str(text: &str) -> Result<Self, VideoError> {
        let (num, den) = text.split_once('/').ok_or(VideoError::RateSyntax)?;
        match (num.trim().parse(), den.trim().parse()) {
            (Ok(num), Ok(den)) => Self::new(num, den),
            _ => Err(VideoError::RateSyntax),
        }
    }
}

/// Raster, sample depth and frame rate of a video. Always valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct VideoFormat {
    width: u32,
    height: u32,
    depth: Depth,
    rate: FrameRate,
}

impl VideoFormat {
    /// A format of `width` × `height` pixels.
    ///
    /// # Errors
    /// [`VideoError::Width`] or [`VideoError::Height`]: not supported.
    pub const fn new(
        width: u32,
        height: u32,
        depth: Depth,
        rate: FrameRate,
    ) -> Result<Self, VideoError> {
        if width == 0 || width > MAX_WIDTH || !width.is_multiple_of(PGROUP_PIXELS) {
            return Err(VideoError::Width(width));
        }
        if height == 0 || height > MAX_HEIGHT {
            return Err(VideoError::Height(height));
        }
        Ok(Self {
            width,
            height,
            depth,
            rate,
        })
    }

    /// Pixels in a line: even, 2 to [`MAX_WIDTH`].
    #[must_use]
    pub const fn width(&self) -> u32 {
        self.width
    }

    /// Lines in a frame: 1 to [`MAX_HEIGHT`].
    #[must_use]
    pub const fn height(&self) -> u32 {
        self.height
    }

    /// Bits of a sample.
    #[must_use]
    pub const fn depth(&self) -> Depth {
        self.depth
    }

    /// Frames per second.
    #[must_use]
    pub const fn rate(&self) -> FrameRate {
        self.rate
    }

    /// Bytes of one line; there is no padding between lines.
    #[must_use]
    pub const fn line_bytes(&self) -> usize {
        (self.width / PGROUP_PIXELS) as usize * self.depth.pgroup_bytes()
    }

    /// Bytes of one frame, at most 22,118,400.
    #[must_use]
    pub const fn frame_bytes(&self) -> usize {
        self.line_bytes() * self.height as usize
    }

    /// Pgroups of one frame.
    #[must_use]
    pub const fn frame_pgroups(&self) -> usize {
        (self.width / PGROUP_PIXELS) as usize * self.height as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ntsc() -> FrameRate {
        FrameRate::new(60_000, 1001).unwrap()
    }

    #[test]
    fn format_new_then_bytes_follow_the_pgroup() {
        let rate = FrameRate::new(60, 1).unwrap();
        let eight = VideoFormat::new(1920, 1080, Depth::Eight, rate).unwrap();
        let ten = VideoFormat::new(1920, 1080, Depth::Ten, rate).unwrap();
        assert_eq!((eight.line_bytes(), eight.frame_bytes()), (3840, 4_147_200));
        assert_eq!((ten.line_bytes(), ten.frame_bytes()), (4800, 5_184_000));
        assert_eq!(ten.frame_pgroups() * 5, ten.frame_bytes());
    }

    #[test]
    fn format_out_of_range_then_the_value_is_named() {
        let rate = FrameRate::new(25, 1).unwrap();
        for width in [0, 1, 3, 4097, 4098, u32::MAX] {
            assert_eq!(
                VideoFormat::new(width, 2, Depth::Eight, rate),
                Err(VideoError::Width(width))
            );
        }
        for height in [0, 2161, u32::MAX] {
            assert_eq!(
                VideoFormat::new(2, height, Depth::Eight, rate),
                Err(VideoError::Height(height))
            );
        }
        assert_eq!(Depth::try_from(12), Err(VideoError::Depth(12)));
    }

    #[test]
    fn rate_new_then_only_above_0_up_to_120() {
        for (num, den) in [(0, 1), (1, 0), (121, 1), (120_001, 1000), (u32::MAX, 1)] {
            assert_eq!(FrameRate::new(num, den), Err(VideoError::Rate { num, den }));
        }
        for (num, den) in [(120, 1), (1, u32::MAX), (u32::MAX, u32::MAX)] {
            FrameRate::new(num, den).unwrap();
        }
    }

    #[test]
    fn rate_parsed_then_as_written() {
        assert_eq!(
            "60000/1001".parse::<FrameRate>().unwrap().to_string(),
            "60000/1001"
        );
        for wrong in ["60", "", "/", "60/", "a/b", "-1/1", "60/1/1"] {
            assert_eq!(
                wrong.parse::<FrameRate>(),
                Err(VideoError::RateSyntax),
                "{wrong}"
            );
        }
    }

    #[test]
    fn rate_1001_frames_of_ntsc_then_no_tick_is_lost() {
        let rate = ntsc();
        assert_eq!([0, 1, 2, 3].map(|n| rate.ticks(n)), [0, 1501, 3003, 4504]);
        // 60000 frames last exactly 1001 s, even after a year of them.
        for years in [1, 31_000] {
            assert_eq!(rate.ticks(60_000 * years), 1001 * 90_000 * years);
            assert_eq!(rate.nanos(60_000 * years), 1001 * 1_000_000_000 * years);
        }
    }

    #[test]
    fn rate_frame_at_then_it_is_the_inverse_of_nanos() {
        for rate in [
            ntsc(),
            FrameRate::new(24, 1).unwrap(),
            FrameRate::new(1, 7).unwrap(),
        ] {
            for n in [0, 1, 2, 59, 60, 12_345_678] {
                assert_eq!(rate.frame_at(rate.nanos(n)), n);
                assert_eq!(rate.frame_at(rate.nanos(n + 1) - 1), n);
            }
        }
    }
}
