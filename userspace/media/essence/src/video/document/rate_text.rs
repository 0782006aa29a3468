//! A frame rate in a document.

use std::fmt;

use serde::Deserializer;
use serde::de::{Error, Visitor};

/// For `#[serde(deserialize_with)]` of a frame rate, which is text: of a number the error says how to
/// write it.
pub(super) fn frame_rate_text<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<String, D::Error> {
    deserializer.deserialize_any(RateText)
}

struct RateText;

impl Visitor<'_> for RateText {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text such as \"60\" or \"60000/1001\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<String, E> {
        Err(E::custom(format_args!(
            "a frame rate is text: write \"{number}\""
        )))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<String, E> {
        Err(E::custom(format_args!(
            "a frame rate is text: write \"{number}\""
        )))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<String, E> {
        // The rates of NTSC, as they are usually rounded or cut: n × 1000/1001.
        let exact = [24_u32, 30, 48, 60, 120].into_iter().find(|&n| {
            let rate = f64::from(n) * 1000.0 / 1001.0;
            (number - rate).abs() < 0.006
        });
        let text = exact.map_or_else(|| number.to_string(), |n| format!("{n}000/1001"));
        Err(E::custom(format_args!(
            "a frame rate is text and exact: write \"{text}\""
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_rate_of_a_number_then_says_how_to_write_it() {
        for (number, text) in [
            (23.976, "24000/1001"),
            (23.98, "24000/1001"),
            (29.97, "30000/1001"),
            (47.952, "48000/1001"),
            (59.94, "60000/1001"),
            (119.88, "120000/1001"),
            (25.0, "25"),
        ] {
            let error = frame_rate_text(serde_json::json!(number)).unwrap_err();
            let expected = format!("write \"{text}\"");
            assert!(error.to_string().contains(&expected), "{error}");
        }
        let error = frame_rate_text(serde_json::json!(60)).unwrap_err();
        assert!(error.to_string().contains("write \"60\""), "{error}");
        assert_eq!(frame_rate_text(serde_json::json!("60/1")).unwrap(), "60/1");
    }
}
