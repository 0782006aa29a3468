//! Whole numbers as JSON Schema has them: `13.0` is an integer, too (JSON Schema core §6.3).

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

struct Whole<N>(PhantomData<N>);

impl<N: TryFrom<u64>> Visitor<'_> for Whole<N> {
    type Value = N;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number from 0")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<N, E> {
        N::try_from(number).map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &self))
    }

    /// TOML integers arrive here: TOML has no unsigned type.
    fn visit_i64<E: Error>(self, number: i64) -> Result<N, E> {
        match u64::try_from(number) {
            Ok(number) => self.visit_u64(number),
            Err(_) => Err(E::invalid_value(Unexpected::Signed(number), &self)),
        }
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<N, E> {
        // Beyond 2^53 a float cannot distinguish neighbouring whole numbers.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        if number.fract() != 0.0 || !(0.0..=EXACT).contains(&number) {
            return Err(E::invalid_type(Unexpected::Float(number), &self));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole, and within 0 to 2^53"
        )]
        let whole = number as u64;
        self.visit_u64(whole)
    }
}

/// For `#[serde(deserialize_with)]` of a number.
pub fn number<'de, D, N>(deserializer: D) -> Result<N, D::Error>
where
    D: Deserializer<'de>,
    N: TryFrom<u64>,
{
    deserializer.deserialize_u64(Whole(PhantomData))
}

/// For `#[serde(deserialize_with)]` of a number that may be absent or null.
pub fn optional<'de, D, N>(deserializer: D) -> Result<Option<N>, D::Error>
where
    D: Deserializer<'de>,
    N: TryFrom<u64>,
{
    struct Inner<N>(N);
    impl<'de, N: TryFrom<u64>> Deserialize<'de> for Inner<N> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            number(deserializer).map(Self)
        }
    }
    Ok(Option::<Inner<N>>::deserialize(deserializer)?.map(|inner| inner.0))
}

/// A field that is there, be it `null`.
pub fn present<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Some)
}

/// As [`present`], of a number that is written as [`number`] reads it.
pub fn present_number<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<u32>>, D::Error> {
    optional(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Numbers {
        #[serde(deserialize_with = "number")]
        one: u32,
        #[serde(default, deserialize_with = "optional")]
        two: Option<u32>,
    }

    #[test]
    fn number_whole_in_any_writing_then_taken() {
        for (text, one, two) in [
            (r#"{"one":13}"#, 13, None),
            (r#"{"one":13.0,"two":1e3}"#, 13, Some(1000)),
            (r#"{"one":0,"two":null}"#, 0, None),
        ] {
            let numbers: Numbers = serde_json::from_str(text).unwrap();
            assert_eq!(numbers, Numbers { one, two });
        }
    }

    #[test]
    fn number_not_whole_or_out_of_range_then_refused() {
        for one in [
            "1.5",
            "-1",
            "-1.0",
            "4294967296",
            "4294967296.0",
            "1e300",
            "\"1\"",
            "null",
            "true",
        ] {
            let text = format!("{{\"one\":{one}}}");
            assert!(serde_json::from_str::<Numbers>(&text).is_err(), "{one}");
        }
    }
}
