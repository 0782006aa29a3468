//! The digest of a certificate: SHA-256 of its canonical JSON.
//!
//! It detects accidents and careless edits. It is not a signature: a process that can write the
//! file can compute a new digest.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::Certificate;

/// Field of the document that carries the digest. The digest does not cover it.
pub const FIELD: &str = "digest";
/// Field of an answer that tells whether the document is on disk. It is not part of the document.
pub const DURABLE: &str = "durable";
/// Algorithm prefix of the hexadecimal digits.
const ALGORITHM: &str = "sha256:";

/// The digest of `document` without its [`FIELD`] and [`DURABLE`], over the canonical form: an
/// object's fields in the order of their names' bytes, no white space, numbers and strings as
/// `serde_json` writes them. It covers every other field, also fields that this program does not
/// know.
#[must_use]
pub fn of(document: &Value) -> String {
    let mut text = Vec::new();
    canonical(document, true, &mut text);
    let mut digest = String::from(ALGORITHM);
    for byte in Sha256::digest(&text) {
        digest.push(char::from_digit(u32::from(byte >> 4), 16).unwrap_or('?'));
        digest.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or('?'));
    }
    digest
}

fn canonical(value: &Value, is_whole: bool, text: &mut Vec<u8>) {
    match value {
        Value::Object(fields) => {
            let mut sorted: Vec<_> = fields
                .iter()
                .filter(|(name, _)| !is_whole || ![FIELD, DURABLE].contains(&name.as_str()))
                .collect();
            sorted.sort_unstable_by_key(|(name, _)| name.as_str());
            text.push(b'{');
            for (at, (name, value)) in sorted.into_iter().enumerate() {
                if at > 0 {
                    text.push(b',');
                }
                written(name, text);
                text.push(b':');
                canonical(value, false, text);
            }
            text.push(b'}');
        }
        Value::Array(items) => {
            text.push(b'[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    text.push(b',');
                }
                canonical(item, false, text);
            }
            text.push(b']');
        }
        scalar => written(scalar, text),
    }
}

fn written(value: &impl serde::Serialize, text: &mut Vec<u8>) {
    serde_json::to_writer(text, value).expect("neither memory nor text fails to be written");
}

impl Certificate {
    /// Writes the digest of the other fields into the certificate. Call it last, and again after
    /// each change.
    ///
    /// # Panics
    /// Never: a certificate's maps have text keys.
    pub fn seal(&mut self) {
        let document = serde_json::to_value(&*self).expect("maps have text keys");
        self.digest = Some(of(&document));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn digest_known_document_then_the_known_value() {
        // printf '{"a":[1,"x\\n"],"b":18446744073709551615}' | sha256sum
        let document = json!({"b": u64::MAX, "digest": "any", "durable": false, "a": [1, "x\n"]});
        assert_eq!(
            of(&document),
            "sha256:2e7f89c9ca3e527779a3b6d0ac286e70273645348be329e31d385d710b28220a"
        );
    }

    #[test]
    fn digest_fields_in_another_order_then_the_same() {
        let one: Value = serde_json::from_str(r#"{"a":{"x":1,"digest":2},"b":null}"#).unwrap();
        let two: Value =
            serde_json::from_str("{\"b\": null, \"a\": {\"digest\": 2, \"x\": 1}}").unwrap();
        assert_eq!(of(&one), of(&two));
    }

    #[test]
    fn digest_any_other_field_changed_then_another() {
        let good = json!({"a": 1, "inner": {"digest": "counts"}, "list": [1, 2]});
        for bad in [
            json!({"a": 2, "inner": {"digest": "counts"}, "list": [1, 2]}),
            json!({"a": "1", "inner": {"digest": "counts"}, "list": [1, 2]}),
            json!({"a": 1, "inner": {"digest": "changed"}, "list": [1, 2]}),
            json!({"a": 1, "inner": {"digest": "counts", "durable": false}, "list": [1, 2]}),
            json!({"a": 1, "inner": {"digest": "counts"}, "list": [2, 1]}),
            json!({"a": 1, "inner": {"digest": "counts"}, "list": [1, 2], "more": null}),
        ] {
            assert_ne!(of(&good), of(&bad), "{bad}");
        }
    }
}
