//! Ancillary data: ST 2110-40.

use onair_essence::ancillary::AncillaryStream;
use serde_json::{Value, json};

use super::{Described, constraint, fraction};

pub(super) fn ancillary(data: &AncillaryStream) -> Described {
    let kind = |(did, sdid): &(u8, u8)| -> Value {
        json!({"DID": format!("0x{did:02x}"), "SDID": format!("0x{sdid:02x}")})
    };
    let kinds: Vec<_> = data.kinds.iter().map(kind).collect();
    let rate = fraction(data.rate);
    Described {
        format: "data",
        media_type: "video/smpte291",
        constraints: json!({"urn:x-nmos:cap:format:grain_rate": constraint([rate.clone()])}),
        rate: json!({"grain_rate": rate}),
        source: Value::Null,
        flow: Some(match kinds.is_empty() {
            true => Value::Null,
            false => json!({"DID_SDID": kinds}),
        }),
        sender: Value::Null,
    }
}
