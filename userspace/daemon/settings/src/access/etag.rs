//! The entity tag of a session, for conditional requests (RFC 9110 §8.8.3 and §13.1.1).

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use onair_api::SessionView;

/// A tag that changes with what requests change: the state, the specification, the addresses. Traffic
/// and clients do not change it. It is valid during one run of the daemon.
#[must_use]
pub fn etag(view: &SessionView) -> String {
    let limits = (view.quota, view.max_attachments, view.priority);
    let times = (view.frame_timeout_ms, view.duration_ms, view.stopped_at);
    let lasting = (view.id, view.state, &view.format, &view.flow, limits, times);
    let text = serde_json::to_string(&lasting).expect("plain JSON");
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}
