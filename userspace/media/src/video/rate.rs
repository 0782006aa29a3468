//! Frame rates as exact fractions, and the times of frames.

use std::fmt;
use std::str::FromStr;

use super::{MAX_RATE, RTP_CLOCK_HZ, VideoError};

const NANOS_PER_SECOND: u32 = 1_000_000_000;

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

    /// The rate of fields of interlaced video: twice as high.
    #[must_use]
    pub const fn doubled(self) -> Self {
        // A rate up to 120 has a numerator that is at most 120 times its denominator.
        match self.num.checked_mul(2) {
            Some(num) => Self { num, den: self.den },
            None => Self {
                num: self.num,
                den: self.den / 2,
            },
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn ntsc() -> FrameRate {
        FrameRate::new(60_000, 1001).unwrap()
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
