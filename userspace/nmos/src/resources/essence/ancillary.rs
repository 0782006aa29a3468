//! Ancillary data: ST 2110-40.

use onair_essence::ancillary::AncillaryStream;
use serde_json::{Map, Value, json};

use super::described::{Described, constraint, fields, fraction};

pub(super) fn ancillary(data: &AncillaryStream) -> Described {
    let kind = |(did, sdid): &(u8, u8)| -> Value {
        json!({"DID": format!("0x{did:02x}"), "SDID": format!("0x{sdid:02x}")})
    };
    let kinds: Vec<_> = data.kinds.iter().map(kind).collect();
    let mut flow = Map::new();
    if !kinds.is_empty() {
        flow.insert("DID_SDID".to_owned(), json!(kinds));
    }
    let constraints = json!({
        "urn:x-nmos:cap:format:grain_rate": constraint([fraction(data.rate)]),
    });
    Described {
        format: "data",
        media_type: "video/smpte291",
        grain_rate: Some(fraction(data.rate)),
        source: Map::new(),
        flow: Some(flow),
        sender: Map::new(),
        constraints: fields(constraints),
    }
}
