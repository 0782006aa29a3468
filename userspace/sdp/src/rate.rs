//! Frame rates as exact fractions.

use std::fmt;

use onair_essence::video::FrameRate;

/// Frames per second: an integer, or a fraction such as 60000/1001 (ST 2110-20 §7.2). Whether OnAir carries
/// it or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DescribedRate {
    numerator: u32,
    denominator: u32,
}

impl DescribedRate {
    /// A rate above 0; `None` if either part is 0.
    #[must_use]
    pub const fn new(numerator: u32, denominator: u32) -> Option<Self> {
        if numerator == 0 || denominator == 0 {
            return None;
        }
        Some(Self {
            numerator,
            denominator,
        })
    }

    /// Frames in [`Self::denominator`] seconds.
    #[must_use]
    pub const fn numerator(self) -> u32 {
        self.numerator
    }

    /// Seconds of [`Self::numerator`] frames.
    #[must_use]
    pub const fn denominator(self) -> u32 {
        self.denominator
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text.split_once('/') {
            Some((numerator, denominator)) => Self::new(whole(numerator)?, whole(denominator)?),
            None => Self::new(whole(text)?, 1),
        }
    }
}

impl From<FrameRate> for DescribedRate {
    fn from(rate: FrameRate) -> Self {
        Self {
            numerator: rate.numerator(),
            denominator: rate.denominator(),
        }
    }
}

/// Digits only: `u32::from_str` takes a sign, too.
pub(crate) fn whole(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}

impl fmt::Display for DescribedRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.denominator {
            1 => write!(f, "{}", self.numerator),
            denominator => write!(f, "{}/{denominator}", self.numerator),
        }
    }
}
