//! BCP-004-01: what a receiver takes.

use onair_api::SessionView;
use serde_json::{Value, json};

use super::essence::{Described, constraint};

/// What a receive session takes: senders of its own format. Another format is another session.
pub(super) fn caps(session: &SessionView, described: &Described) -> Value {
    let mut set = described.constraints.clone();
    let media_type = constraint([json!(described.media_type)]);
    set.insert("urn:x-nmos:cap:format:media_type".to_owned(), media_type);
    let label = json!(session.format.to_string());
    set.insert("urn:x-nmos:cap:meta:label".to_owned(), label);
    json!({
        "media_types": [described.media_type],
        "constraint_sets": [set],
    })
}
