//! The digest of a certificate: SHA-256 of its canonical JSON.
//!
//! It detects accidents and careless edits. It is not a signature.

use onair_api::Certificate;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::canonical;

/// Field of the document that carries the digest. The digest does not cover it.
pub(crate) const FIELD: &str = "digest";
/// Field of an answer that tells whether the document is on disk. It is not part of the document.
const DURABLE: &str = "durable";
/// Algorithm prefix of the hexadecimal digits.
const ALGORITHM: &str = "sha256:";

/// The digest of `document` without its [`FIELD`] and [`DURABLE`], over the canonical form: an
/// object's fields in the order of their names' bytes, no white space, numbers and strings as
/// `serde_json` writes them. It covers every other field, also fields that this program does not
/// know.
#[must_use]
pub(crate) fn of(document: &Value) -> String {
    let mut text = Vec::new();
    append(document, true, &mut text);
    of_text(&text)
}

fn of_text(canonical: &[u8]) -> String {
    let mut digest = String::from(ALGORITHM);
    for byte in Sha256::digest(canonical) {
        digest.push(char::from_digit(u32::from(byte >> 4), 16).unwrap_or('?'));
        digest.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or('?'));
    }
    digest
}

/// Appends the canonical form of a document that may have fields that this program does not know.
fn append(value: &Value, is_whole: bool, text: &mut Vec<u8>) {
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
                append(value, false, text);
            }
            text.push(b'}');
        }
        Value::Array(items) => {
            text.push(b'[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    text.push(b',');
                }
                append(item, false, text);
            }
            text.push(b']');
        }
        scalar => written(scalar, text),
    }
}

fn written(value: &impl serde::Serialize, text: &mut Vec<u8>) {
    serde_json::to_writer(text, value).expect("neither memory nor text fails to be written");
}

/// Writes the digest of the other fields into the certificate. Call it last, and again after each
/// change.
///
/// # Panics
/// Never: a certificate's maps have text keys.
pub fn seal(certificate: &mut Certificate) {
    certificate.digest = None;
    let durable = std::mem::replace(&mut certificate.durable, true);
    let text = canonical::text(certificate).expect("maps have text keys");
    certificate.durable = durable;
    certificate.digest = Some(of_text(&text));
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const AT: &str = "2025-11-20T07:36:00.123456Z";

    #[test]
    fn digest_known_document_then_the_known_value() {
        // printf '{"a":[1,"x\\n"],"b":18446744073709551615}' | sha256sum
        let document = json!({"b": u64::MAX, "digest": "any", "durable": false, "a": [1, "x\n"]});
        assert_eq!(
            of(&document),
            "sha256:2e7f89c9ca3e527779a3b6d0ac286e70273645348be329e31d385d710b28220a"
        );
    }

    proptest! {
        #[test]
        fn certificate_any_then_its_seal_is_the_digest_of_its_document(
            mut certificate in certificate(), durable: bool, old in option::of(".*"),
        ) {
            certificate.durable = durable;
            certificate.digest = old;
            seal(&mut certificate);
            let document = serde_json::to_value(&certificate).unwrap();
            prop_assert_eq!(certificate.digest.as_deref(), Some(&*of(&document)));
            prop_assert_eq!(certificate.durable, durable);
        }

        #[test]
        fn document_any_then_its_canonical_text_in_one_pass_is_the_same(document in document()) {
            let mut text = Vec::new();
            append(&document, false, &mut text);
            let written = canonical::text(&document).unwrap();
            prop_assert_eq!(String::from_utf8(written), String::from_utf8(text));
        }
    }

    /// Names that are sorted wrongly with their escapes or quotes, and any others.
    fn name() -> impl Strategy<Value = String> {
        prop_oneof!["[a-b!\\[\"\\\\\u{1}é]{0,3}", ".*"]
    }

    fn document() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            name().prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 64, 8, |inner| {
            let fields = vec((name(), inner.clone()), 0..8);
            prop_oneof![
                vec(inner, 0..8).prop_map(Value::from),
                fields.prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    /// A certificate with any texts and numbers, with and without its optional parts.
    fn certificate() -> impl Strategy<Value = Certificate> {
        let memory = prop_oneof![
            any::<u64>().prop_map(|bytes| json!({"state": "returned", "bytes": bytes, "at": AT})),
            vec(any::<u32>(), 0..3)
                .prop_map(|by| json!({"state": "pending", "bytes": 1, "held_by": by})),
            ".*".prop_map(|reason| json!({"state": "unverified", "bytes": 1, "reason": reason})),
        ];
        let numbers = vec(any::<u64>(), 4);
        let texts = vec(".*", 4);
        let counts = vec(0..3_usize, 6);
        let one = (memory, numbers, texts, counts, any::<[bool; 4]>());
        one.prop_map(|(memory, n, t, count, has)| {
            let who = |via| json!({"uid": 0, "gid": 1, "pid": 2, "command": t[0], "via": via});
            let reading = json!({"witness": "W1", "name": t[1], "says": "users", "users": n[0],
                "left_out": n[1], "detail": t[2], "word_of": "client", "at_monotonic_ns": n[2]});
            let site = json!({"name": t[3], "file_offset": n[0]});
            let file = json!({"path": t[0], "device": n[1], "inode": n[2], "build_id": null,
                "sites": vec![site; count[0]]});
            let stopped = json!({"at": AT, "session": "6920a1c300000001", "boot_id": t[1]});
            serde_json::from_value(json!({
                "format": 2, "session": "6920a1c300000002", "name": "cam1",
                "owner": who("attach.sock"), "generation": n[3], "boot_id": t[2],
                "versions": {"onaird": t[0], "dpdk": t[1], "kernel": t[2]},
                "probe": {"mode": "required", "state": "watching", "reason": has[1].then(|| t[3].clone()),
                    "canary_at": has[2].then_some(AT), "files": vec![file; count[1]]},
                "operation": "abort", "deadline_ms": has[3].then_some(n[0]),
                "requester": who("control.sock"), "issued_at": AT,
                "stopped_before": has[2].then_some(stopped),
                "steps": vec![json!({"step": "verdict", "at": AT, "monotonic_ns": n[1],
                    "since_stop_us": n[2]}); count[2]],
                "readings": vec![reading.clone(); count[3]],
                "reconciled": vec![json!({"pid": 3, "tid": has[0].then_some(4), "command": t[1],
                    "what": "slots", "frames": n[3], "slots": n[0], "cause": "detached",
                    "at": AT}); count[4]],
                "evicted": vec![json!({"attachment": n[0], "pid": 5, "command": t[2], "at": AT,
                    "cause": "violation", "callers_inside": n[1], "frames_revoked": n[2],
                    "frames_set_aside": n[3]}); count[5]],
                "counts": {"frames_lent": n[0]}, "frames": {"packets": n[1]}, "memory": memory,
                "disagreements": vec![json!({"at": AT, "resolved_at": has[1].then_some(AT),
                    "readings": [reading], "note": t[3]}); count[0]],
            }))
            .expect("a certificate's form")
        })
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
