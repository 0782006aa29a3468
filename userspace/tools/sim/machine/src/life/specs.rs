//! Specifications of sessions.

use onair_api::{NewSession, NewSessionDocument, SessionRef, SessionSpec};
use serde_json::{Value, json};

/// The session `cam`.
///
/// # Panics
/// Never: it is a name.
#[must_use]
pub fn cam() -> SessionRef {
    "cam".parse().expect("a name")
}

/// The session of this document.
///
/// # Panics
/// If it is invalid.
#[must_use]
pub fn of_document(document: Value) -> NewSession {
    let document: NewSessionDocument = serde_json::from_value(document).expect("a document");
    document.try_into().expect("a valid session")
}

/// The specification of a session of small frames, in this direction, with more fields.
///
/// # Panics
/// If it is invalid.
#[must_use]
pub fn session(name: &str, direction: &str, more: Value) -> NewSession {
    let mut body = json!({
        "name": name, "direction": direction, "port": "a",
        "video": {"width": 320, "height": 180, "frame_rate": "50/1", "depth": 8},
        "flow": {"destination": "239.9.1.1:5004"},
    });
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    of_document(body)
}

/// The same, as a member of a group has it.
///
/// # Panics
/// If it is invalid.
#[must_use]
pub fn member(name: &str, direction: &str, more: Value) -> SessionSpec {
    match session(name, direction, more) {
        NewSession::Complete(spec) => *spec,
        NewSession::Converted(_) => unreachable!("it has packets"),
    }
}

/// The specification of the session `name` of the frames of `from` in a layout.
///
/// # Panics
/// If it is invalid.
#[must_use]
pub fn converted(name: &str, from: &str, layout: &str) -> NewSession {
    of_document(json!({"name": name, "convert": {"from": from, "layout": layout}}))
}
