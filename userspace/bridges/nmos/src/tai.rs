//! Times as NMOS writes them.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use onair_control::Facts;
use serde::{Deserialize, Serialize};

/// TAI minus UTC since 2017 (IERS Bulletin C), where the kernel was told none: controllers compare with their own TAI.
const TAI_MINUS_UTC: u64 = 37;

/// A time of TAI, or a length of time: `<seconds>:<nanoseconds>` as text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Tai(Duration);

impl Tai {
    /// Now, by the clock that the daemon has.
    #[must_use]
    pub fn now(facts: Option<&Facts>) -> Self {
        let utc = SystemTime::now().duration_since(UNIX_EPOCH);
        let offset = offset(facts).unwrap_or(TAI_MINUS_UTC);
        Self(utc.unwrap_or_default() + Duration::from_secs(offset))
    }

    /// This time by the clock of the daemon's send sessions, in ns: that clock shows UTC if the kernel was not told what TAI
    /// is. At most what 64 bits hold.
    #[must_use]
    pub fn daemon_ns(self, facts: Option<&Facts>) -> u64 {
        let ahead = match offset(facts) {
            Some(_) => 0,
            None => TAI_MINUS_UTC,
        };
        let time = self.0.saturating_sub(Duration::from_secs(ahead));
        u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
    }

    /// So long before `self`.
    #[must_use]
    pub const fn before(self, length: Duration) -> Self {
        Self(self.0.saturating_sub(length))
    }

    /// So long after the epoch.
    #[must_use]
    pub const fn at(since: Duration) -> Self {
        Self(since)
    }

    /// This long after `self`; `None`: beyond what can be written.
    #[must_use]
    pub fn plus(self, length: Self) -> Option<Self> {
        self.0.checked_add(length.0).map(Self)
    }

    /// How long until `self`; zero once it has passed.
    #[must_use]
    pub const fn from(self, now: Self) -> Duration {
        self.0.saturating_sub(now.0)
    }

    /// This time, or the first after `last`: versions rise, also if the clock does not.
    #[must_use]
    pub fn later_than(self, last: Self) -> Self {
        self.max(Self(last.0.saturating_add(Duration::from_nanos(1))))
    }
}

/// TAI minus UTC in seconds, if the kernel was told.
fn offset(facts: Option<&Facts>) -> Option<u64> {
    let offset = facts.map(|it| it.health.clock.tai_minus_utc_s);
    offset.filter(|it| *it > 0)
}

impl fmt::Display for Tai {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.0.as_secs(), self.0.subsec_nanos())
    }
}

/// The text is no `<seconds>:<nanoseconds>`.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no time: write it as <seconds>:<nanoseconds>")]
pub struct NoTime(String);

impl FromStr for Tai {
    type Err = NoTime;

    fn from_str(text: &str) -> Result<Self, NoTime> {
        let digits = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit());
        let parts = text
            .split_once(':')
            .filter(|(s, ns)| digits(s) && digits(ns));
        let time = parts.and_then(|(s, ns)| {
            let ns = ns.parse().ok().filter(|it| *it < 1_000_000_000)?;
            Some(Self(Duration::new(s.parse().ok()?, ns)))
        });
        time.ok_or_else(|| NoTime(text.chars().take(40).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_to_text_and_back_then_the_same() {
        for text in ["0:0", "1700000037:999999999", "18446744073709551615:1"] {
            assert_eq!(text.parse::<Tai>().unwrap().to_string(), text);
        }
        for text in [
            "",
            ":",
            "1",
            "1:",
            ":1",
            "-1:0",
            "+1:0",
            "1:1000000000",
            "1:2:3",
            "1.5:0",
        ] {
            assert!(text.parse::<Tai>().is_err(), "{text}");
        }
        let last: Tai = "18446744073709551615:0".parse().unwrap();
        assert_eq!(last.plus(last), None);
    }
}
