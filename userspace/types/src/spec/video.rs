//! Picture size, rate and depth of progressive 4:2:2 video.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

/// Picture size, rate and depth. YCbCr-4:2:2, progressive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VideoFormat {
    /// Pixels in a line: even, [`VideoFormat::MIN_WIDTH`] to [`VideoFormat::MAX_WIDTH`].
    pub width: u32,
    /// Lines in a frame: [`VideoFormat::MIN_HEIGHT`] to [`VideoFormat::MAX_HEIGHT`].
    pub height: u32,
    /// Frames a second.
    pub frame_rate: FrameRate,
    /// Bits a sample.
    pub depth: Depth,
}

impl VideoFormat {
    /// Smallest width, in pixels. From here on, the pattern's 24 bytes of number and checksum fit
    /// any frame.
    pub const MIN_WIDTH: u32 = 16;
    /// Largest width, in pixels.
    pub const MAX_WIDTH: u32 = 4096;
    /// Smallest height, in lines.
    pub const MIN_HEIGHT: u32 = 2;
    /// Largest height, in lines.
    pub const MAX_HEIGHT: u32 = 2160;

    /// Bytes of a line in the pgroup layout (RFC 4175 §4.3): 4 bytes for 2 pixels at 8 bits, 5 at
    /// 10 bits.
    #[must_use]
    pub fn line_bytes(&self) -> u32 {
        self.width / 2 * self.depth.pgroup_bytes()
    }

    /// Bytes of a frame in the pgroup layout.
    #[must_use]
    pub fn frame_bytes(&self) -> u32 {
        self.line_bytes() * self.height
    }
}

impl fmt::Display for VideoFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}x{} {} fps {} bit",
            self.width,
            self.height,
            self.frame_rate,
            self.depth.bits()
        )
    }
}

/// Bits a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Depth {
    /// 8 bits: a pgroup is 4 bytes.
    Eight,
    /// 10 bits: a pgroup is 5 bytes.
    Ten,
}

impl Depth {
    /// The number of bits: 8 or 10.
    #[must_use]
    pub fn bits(self) -> u32 {
        match self {
            Self::Eight => 8,
            Self::Ten => 10,
        }
    }

    /// Bytes of one pgroup, that is of two pixels (RFC 4175 §4.3, table 1).
    #[must_use]
    pub fn pgroup_bytes(self) -> u32 {
        match self {
            Self::Eight => 4,
            Self::Ten => 5,
        }
    }

    /// The depth with this many bits, if there is one.
    #[must_use]
    pub fn from_bits(bits: u32) -> Option<Self> {
        match bits {
            8 => Some(Self::Eight),
            10 => Some(Self::Ten),
            _ => None,
        }
    }
}

/// Frames a second as an exact ratio in lowest terms (`exactframerate`, ST 2110-20 §7.2): 1 to 120.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FrameRate {
    numerator: NonZeroU32,
    denominator: NonZeroU32,
}

impl FrameRate {
    /// Highest rate, in frames a second.
    pub const MAX: u32 = 120;
    /// Largest numerator or denominator as written.
    const MAX_TERM: u32 = 999_999;

    /// The rate `numerator / denominator`, in lowest terms.
    ///
    /// # Errors
    /// [`RateError`] if the rate is not 1 to 120 frames a second.
    pub fn new(numerator: u32, denominator: u32) -> Result<Self, RateError> {
        let wrong = || RateError(format!("{numerator}/{denominator}"));
        if numerator > Self::MAX_TERM || denominator > Self::MAX_TERM {
            return Err(wrong());
        }
        let (Some(n), Some(d)) = (NonZeroU32::new(numerator), NonZeroU32::new(denominator)) else {
            return Err(wrong());
        };
        if n < d || u64::from(numerator) > u64::from(Self::MAX) * u64::from(denominator) {
            return Err(wrong());
        }
        let divisor = gcd(n, d);
        let over = |x: NonZeroU32| NonZeroU32::new(x.get() / divisor).ok_or_else(wrong);
        Ok(Self {
            numerator: over(n)?,
            denominator: over(d)?,
        })
    }

    /// Numerator, in lowest terms.
    #[must_use]
    pub fn numerator(self) -> u32 {
        self.numerator.get()
    }

    /// Denominator, in lowest terms.
    #[must_use]
    pub fn denominator(self) -> u32 {
        self.denominator.get()
    }

    /// Time from frame 0 to frame `frame`, rounded down to a nanosecond.
    #[must_use]
    pub fn offset(self, frame: u64) -> Duration {
        let ns = u128::from(frame) * 1_000_000_000 * u128::from(self.denominator())
            / u128::from(self.numerator());
        Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX))
    }
}

fn gcd(a: NonZeroU32, b: NonZeroU32) -> u32 {
    let (mut a, mut b) = (a.get(), b.get());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

impl fmt::Display for FrameRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.numerator, self.denominator)
    }
}

impl std::str::FromStr for FrameRate {
    type Err = RateError;
    fn from_str(text: &str) -> Result<Self, RateError> {
        let wrong = || RateError(text.chars().take(40).collect());
        let term = |t: &str| {
            if t.is_empty()
                || t.len() > 6
                || t.starts_with('0')
                || !t.bytes().all(|b| b.is_ascii_digit())
            {
                return Err(wrong());
            }
            t.parse::<u32>().map_err(|_| wrong())
        };
        let (numerator, denominator) = text.split_once('/').unwrap_or((text, "1"));
        Self::new(term(numerator)?, term(denominator)?).map_err(|_| wrong())
    }
}

/// A text that is not a frame rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a frame rate: give 1 to 120 frames a second as 60/1, 60 or 30000/1001 \
     (59.94 is 60000/1001)"
)]
pub struct RateError(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_rate_parse_then_lowest_terms() {
        for (text, shown) in [
            ("60", "60/1"),
            ("60/1", "60/1"),
            ("120/2", "60/1"),
            ("30000/1001", "30000/1001"),
        ] {
            assert_eq!(text.parse::<FrameRate>().unwrap().to_string(), shown);
        }
        for text in [
            "",
            "0",
            "0/0",
            "60/0",
            "59.94",
            "-1",
            "+60",
            "241",
            "1/2",
            "60/1/1",
            "6000000/100000",
            "60 ",
        ] {
            assert!(text.parse::<FrameRate>().is_err(), "{text}");
        }
    }

    #[test]
    fn frame_rate_offset_then_does_not_drift() {
        let rate: FrameRate = "60000/1001".parse().unwrap();
        assert_eq!(rate.offset(60_000), Duration::from_secs(1001));
        assert_eq!(rate.offset(1), Duration::from_nanos(16_683_333));
    }

    #[test]
    fn video_format_frame_bytes_then_as_rfc_4175() {
        let mut format = VideoFormat {
            width: 1280,
            height: 720,
            frame_rate: FrameRate::new(60, 1).unwrap(),
            depth: Depth::Eight,
        };
        assert_eq!(format.frame_bytes(), 1280 * 720 * 2);
        format.depth = Depth::Ten;
        assert_eq!(format.frame_bytes(), 1280 * 720 * 5 / 2);
        assert_eq!(format.to_string(), "1280x720 60/1 fps 10 bit");
    }
}
