//! The entity tag of a session, for conditional requests (RFC 9110 §8.8.3 and §13.1.1).

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::SessionView;

impl SessionView {
    /// A tag that changes with what requests change: the state, the specification, the addresses. Traffic
    /// and clients do not change it. It is valid during one run of the daemon.
    #[must_use]
    pub fn etag(&self) -> String {
        let limits = (self.quota, self.max_attachments, self.priority);
        let times = (self.frame_timeout_ms, self.duration_ms, self.stopped_at);
        let lasting = (self.id, self.state, &self.video, &self.flow, limits, times);
        let text = serde_json::to_string(&lasting).expect("plain JSON");
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        format!("\"{:016x}\"", hasher.finish())
    }
}
