//! How far two legs may be apart (ST 2022-7:2019 §6).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Streams below this many bytes a second are of low rate: 270 Mb/s.
const LOW_RATE: u64 = 270_000_000 / 8;

/// Class of a receiver, by the largest difference of the paths' delays that it makes up for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// 10 ms.
    #[default]
    A,
    /// 50 ms.
    B,
    /// 150 ms; 450 ms below 270 Mb/s.
    C,
    /// 150 µs.
    D,
}

impl Class {
    /// Largest difference of the paths' delays in nanoseconds, for a stream of so many bytes a second.
    #[must_use]
    pub const fn differential_ns(self, bytes_per_second: u64) -> u64 {
        match self {
            Self::A => 10_000_000,
            Self::B => 50_000_000,
            Self::C if bytes_per_second < LOW_RATE => 450_000_000,
            Self::C => 150_000_000,
            Self::D => 150_000,
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A => "a",
            Self::B => "b",
            Self::C => "c",
            Self::D => "d",
        })
    }
}

/// A text that names no class.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a class of ST 2022-7: give a (10 ms), b (50 ms), c (150 ms) or d (0.15 ms)")]
pub struct UnknownClass(String);

impl FromStr for Class {
    type Err = UnknownClass;

    fn from_str(text: &str) -> Result<Self, UnknownClass> {
        let classes = [Self::A, Self::B, Self::C, Self::D];
        let named = classes
            .into_iter()
            .find(|it| it.to_string().eq_ignore_ascii_case(text));
        named.ok_or_else(|| UnknownClass(text.chars().take(20).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn class_from_its_name_then_its_differential() {
        let of = |text: &str, rate| text.parse::<Class>().unwrap().differential_ns(rate);
        let fast = 1_000_000_000 / 8;
        assert_eq!([of("a", fast), of("B", fast)], [10_000_000, 50_000_000]);
        assert_eq!([of("c", fast), of("c", 200)], [150_000_000, 450_000_000]);
        assert_eq!(of("D", fast), 150_000);
        assert!("e".parse::<Class>().is_err());
    }
}
