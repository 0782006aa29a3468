//! Clocks: CLOCK_MONOTONIC of the probe, and the wall clock for people.

use rustix::time::{ClockId, clock_gettime};

/// Both clocks at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    /// CLOCK_MONOTONIC, ns.
    pub(crate) monotonic: u64,
    /// Unix time, ns.
    pub(crate) wall: u64,
}

impl Now {
    /// Reads both.
    pub(crate) fn read() -> Self {
        Self {
            monotonic: nanoseconds(ClockId::Monotonic),
            wall: nanoseconds(ClockId::Realtime),
        }
    }

    /// Seconds since a moment of CLOCK_MONOTONIC.
    pub(crate) fn seconds_since(self, monotonic: u64) -> f64 {
        std::time::Duration::from_nanos(self.monotonic.saturating_sub(monotonic)).as_secs_f64()
    }

    /// The wall clock's time of a moment of CLOCK_MONOTONIC, RFC 3339, UTC.
    pub(crate) fn wall_at(self, monotonic: u64) -> String {
        rfc3339(
            self.wall
                .saturating_sub(self.monotonic.saturating_sub(monotonic)),
        )
    }
}

fn nanoseconds(clock: ClockId) -> u64 {
    let now = clock_gettime(clock);
    let part = |value: i64| u64::try_from(value).unwrap_or_default();
    part(now.tv_sec) * 1_000_000_000 + part(now.tv_nsec)
}

/// Milliseconds are enough for people.
fn rfc3339(unix_ns: u64) -> String {
    let (seconds, milliseconds) = (unix_ns / 1_000_000_000, unix_ns / 1_000_000 % 1000);
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milliseconds:03}Z")
}

/// The date of a day since 1970-01-01 in the proleptic Gregorian calendar.
fn date(day: u64) -> (u64, u64, u64) {
    // Years that begin in March have their leap day last; eras of 400 years repeat.
    let day = day + 719_468;
    let (era, day) = (day / 146_097, day % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let of_month = day - (153 * month + 2) / 5 + 1;
    let (month, wrap) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (era * 400 + year + wrap, month, of_month)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3339_known_moments_then_as_date_prints_them() {
        for (unix, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399, "2000-02-28T23:59:59.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199, "2024-02-29T23:59:59.000Z"),
            (1_735_689_599, "2024-12-31T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(rfc3339(unix * 1_000_000_000), text);
        }
        assert_eq!(rfc3339(1_999_999), "1970-01-01T00:00:00.001Z");
    }

    #[test]
    fn now_of_an_earlier_moment_then_both_clocks_agree() {
        let now = Now {
            monotonic: 10_000_000_000,
            wall: 100_000_000_000,
        };
        assert!((now.seconds_since(8_500_000_000) - 1.5).abs() < 1e-9);
        assert_eq!(now.wall_at(8_500_000_000), "1970-01-01T00:01:38.500Z");
        assert!(now.seconds_since(11_000_000_000).abs() < 1e-9);
    }
}
