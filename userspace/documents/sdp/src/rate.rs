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

    /// Of an integer or a fraction.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text.split_once('/') {
            Some((numerator, denominator)) => {
                Self::new(whole(numerator.trim())?, whole(denominator.trim())?)
            }
            None => Self::new(whole(text)?, 1),
        }
    }

    /// Of an integer, a fraction, or a decimal number (`a=framerate`, RFC 8866 §6.13). One near a rate of NTSC is that
    /// rate: 59.94 is 60000/1001.
    #[must_use]
    pub fn of_text(text: &str) -> Option<Self> {
        let Some((whole_part, decimals)) = text.split_once('.') else {
            return Self::parse(text);
        };
        let decimals = decimals.trim_end_matches('0');
        if decimals.is_empty() {
            return Self::new(whole(whole_part)?, 1);
        }
        // Millionths: more digits are more than a rate has.
        let digits: String = decimals.chars().chain("000000".chars()).take(6).collect();
        if !decimals.bytes().all(|it| it.is_ascii_digit()) {
            return None;
        }
        let millionths = u64::from(whole(whole_part)?) * 1_000_000 + u64::from(whole(&digits)?);
        let nominal = u32::try_from(millionths.div_ceil(1_000_000)).ok()?;
        let ntsc = u64::from(nominal) * 1_000_000_000 / 1001;
        if ntsc.abs_diff(millionths) < 5_000 {
            return Self::new(nominal.checked_mul(1000)?, 1001);
        }
        let divisor = gcd(millionths, 1_000_000);
        let numerator = u32::try_from(millionths / divisor).ok()?;
        Self::new(numerator, u32::try_from(1_000_000 / divisor).ok()?)
    }
}

fn gcd(one: u64, other: u64) -> u64 {
    match other {
        0 => one,
        other => gcd(other, one % other),
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
