//! Request bodies other than specifications, and the answer of a flush.

use serde::{Deserialize, Serialize};

use crate::id::SessionId;

/// Body of `POST /v1/sessions/{id}/destroy_wait`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct DestroyWait {
    /// How long to wait for the users to leave, in milliseconds from the request's arrival: 0 to
    /// 86,400,000 (a day). 0 checks once.
    #[serde(deserialize_with = "onair_essence::whole::number")]
    #[cfg_attr(
        feature = "openapi",
        schema(minimum = 0, maximum = 86_400_000, examples(5000))
    )]
    pub deadline_ms: u64,
}

/// Body of `POST /v1/sessions/{id}/flush`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Flush {
    /// How long to wait for the submitted frames, in milliseconds from the request's arrival: 0 to
    /// 86,400,000 (a day). 0 is too short for a running send session, because its poller has to
    /// answer.
    #[serde(deserialize_with = "onair_essence::whole::number")]
    #[cfg_attr(
        feature = "openapi",
        schema(minimum = 0, maximum = 86_400_000, examples(5000))
    )]
    pub deadline_ms: u64,
}

/// Answer of `POST /v1/sessions/{id}/flush`: every frame that clients submitted before the request
/// is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Flushed {
    /// The session's id.
    pub session: SessionId,
    /// Of these frames, those sent after the request arrived.
    pub frames_sent: u64,
    /// Duration of the wait, in milliseconds.
    pub waited_ms: u64,
}

impl DestroyWait {
    /// Longest wait, in milliseconds: a day.
    pub const MAX_MS: u64 = 86_400_000;
}
