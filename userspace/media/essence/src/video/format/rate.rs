//! Frame rates as exact fractions, and the times of frames.

use std::fmt;
use std::str::FromStr;

/// RTP clock of video, in hertz (RFC 4175 §4.1).
pub const RTP_CLOCK_HZ: u32 = 90_000;

const NANOS_PER_SECOND: u32 = 1_000_000_000;

/// Frames or fields a second that are usual: numerator and denominator.
pub const VIDEO_RATES: [(u32, u32); 13] = [
    (24_000, 1001),
    (24, 1),
    (25, 1),
    (30_000, 1001),
    (30, 1),
    (48_000, 1001),
    (48, 1),
    (50, 1),
    (60_000, 1001),
    (60, 1),
    (100, 1),
    (120_000, 1001),
    (120, 1),
];

/// Frames a second as an exact ratio in lowest terms (`exactframerate`, ST 2110-20 §7.2): 1 to 120.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FrameRate {
    numerator: u32,
    denominator: u32,
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
        let is_in_range = denominator > 0
            && (denominator..=Self::MAX_TERM).contains(&numerator)
            && u64::from(numerator) <= u64::from(Self::MAX) * u64::from(denominator);
        if !is_in_range {
            return Err(RateError(format!("{numerator}/{denominator}")));
        }
        let divisor = gcd(numerator, denominator);
        Ok(Self {
            numerator: numerator / divisor,
            denominator: denominator / divisor,
        })
    }

    /// The rate of fields of interlaced video: twice as high.
    #[inline]
    #[must_use]
    pub const fn doubled(self) -> Self {
        let mut rate = self;
        if rate.denominator.is_multiple_of(2) {
            rate.denominator /= 2;
        } else {
            rate.numerator *= 2;
        }
        rate
    }

    /// Numerator, in lowest terms: frames in [`Self::denominator`] seconds.
    #[inline]
    #[must_use]
    pub const fn numerator(self) -> u32 {
        self.numerator
    }

    /// Denominator, in lowest terms: seconds of [`Self::numerator`] frames.
    #[inline]
    #[must_use]
    pub const fn denominator(self) -> u32 {
        self.denominator
    }

    /// Start of frame `n` in nanoseconds after frame 0, rounded down, exact for every `n` (the
    /// error never grows). Saturates after 584 years.
    #[inline]
    #[must_use]
    pub const fn nanos(self, n: u64) -> u64 {
        self.scaled(n, NANOS_PER_SECOND)
    }

    /// Start of frame `n` in ticks of the 90 kHz RTP clock after frame 0, rounded down. An RTP
    /// timestamp is its low 32 bits (ST 2110-10).
    #[inline]
    #[must_use]
    pub const fn ticks(self, n: u64) -> u64 {
        self.scaled(n, RTP_CLOCK_HZ)
    }

    /// The last frame that starts at or before `nanos` after frame 0.
    #[inline]
    #[must_use]
    pub const fn frame_at(self, nanos: u64) -> u64 {
        // nanos(n) <= t  <=>  n * den * 10^9 < (t + 1) * num
        let reached = (nanos as u128 + 1) * self.numerator as u128;
        let unit = self.denominator as u128 * NANOS_PER_SECOND as u128;
        saturate((reached - 1) / unit)
    }

    /// Whether frames at this rate may be measured as so many in so many seconds. A measured rate is the nearest of the usual
    /// ones, so only a usual rate is told exactly from others: not that of an asynchronous source. A sender that leaves out
    /// frames sends each second or third one.
    #[must_use]
    pub fn may_be(self, (num, den): (u32, u32)) -> bool {
        (1..=3).any(|part| self.is_measured(num.saturating_mul(part), den))
    }

    fn is_measured(self, seen_num: u32, seen_den: u32) -> bool {
        let of = |num: u32, den: u32| {
            u64::from(self.numerator) * u64::from(den)
                == u64::from(num) * u64::from(self.denominator)
        };
        if of(seen_num, seen_den) {
            return true;
        }
        let period =
            |num: u32, den: u32| f64::from(RTP_CLOCK_HZ) * f64::from(den) / f64::from(num.max(1));
        let own = period(self.numerator, self.denominator);
        let away = (period(seen_num, seen_den) - own).abs();
        let is_usual = VIDEO_RATES.into_iter().any(|(num, den)| of(num, den));
        !is_usual && away <= f64::max(1.0, own / 500.0)
    }

    #[inline]
    const fn scaled(self, n: u64, per_second: u32) -> u64 {
        saturate(n as u128 * per_second as u128 * self.denominator as u128 / self.numerator as u128)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "checked against the limit")]
#[inline]
const fn saturate(value: u128) -> u64 {
    if value > u64::MAX as u128 {
        u64::MAX
    } else {
        value as u64
    }
}

const fn gcd(mut a: u32, mut b: u32) -> u32 {
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

impl FromStr for FrameRate {
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

    fn rate(text: &str) -> FrameRate {
        text.parse().unwrap()
    }

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
    fn rate_1001_frames_of_ntsc_then_no_tick_is_lost() {
        let rate = rate("60000/1001");
        assert_eq!([0, 1, 2, 3].map(|n| rate.ticks(n)), [0, 1501, 3003, 4504]);
        // 60000 frames last exactly 1001 s, even after a year of them.
        for years in [1, 31_000] {
            assert_eq!(rate.ticks(60_000 * years), 1001 * 90_000 * years);
            assert_eq!(rate.nanos(60_000 * years), 1001 * 1_000_000_000 * years);
        }
    }

    #[test]
    fn rate_frame_at_then_it_is_the_inverse_of_nanos() {
        for rate in [rate("60000/1001"), rate("24"), rate("999999/999998")] {
            for n in [0, 1, 2, 59, 60, 12_345_678] {
                assert_eq!(rate.frame_at(rate.nanos(n)), n);
                assert_eq!(rate.frame_at(rate.nanos(n + 1) - 1), n);
            }
        }
    }

    #[test]
    fn rate_that_is_measured_then_its_own_and_no_other() {
        for (own, measured, is) in [
            ("25", (25, 1), true),
            ("25", (90_000, 3_600), true),
            ("24995/1000", (25, 1), true),
            ("59946/1000", (60_000, 1_001), true),
            ("60003/1000", (60, 1), true),
            // Between two usual ones, and of no whole ticks.
            ("59970/1000", (60, 1), true),
            ("59970/1000", (60_000, 1_001), true),
            ("95/2", (90_000, 1_895), true),
            ("60", (60_000, 1_001), false),
            ("24", (24_000, 1_001), false),
            ("24995/1000", (24, 1), false),
            ("24995/1000", (50, 1), false),
            ("50", (25, 1), true),
            ("25", (50, 1), false),
        ] {
            assert_eq!(rate(own).may_be(measured), is, "{own} {measured:?}");
        }
    }

    #[test]
    fn rate_doubled_then_in_lowest_terms() {
        assert_eq!(rate("30000/1001").doubled(), rate("60000/1001"));
        assert_eq!(rate("25/2").doubled(), rate("25"));
        assert_eq!(rate("120").doubled().numerator(), 240);
    }
}
