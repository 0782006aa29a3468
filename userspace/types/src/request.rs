//! Bodies of requests that are no session, and the answer of a flush.

use serde::{Deserialize, Serialize};

use crate::id::SessionId;

/// Body of `POST /v1/sessions/{id}/destroy_wait`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct DestroyWait {
    /// How long to wait for the users to leave, in milliseconds from the request's arrival:
    /// 0 to 86,400,000 (a day). 0 looks once.
    #[serde(deserialize_with = "crate::whole::number")]
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
    /// How long to wait until what was submitted is sent, in milliseconds from the request's arrival:
    /// 0 to 86,400,000 (a day). 0 is too short for a session that sends: its poller has to answer.
    #[serde(deserialize_with = "crate::whole::number")]
    #[cfg_attr(
        feature = "openapi",
        schema(minimum = 0, maximum = 86_400_000, examples(5000))
    )]
    pub deadline_ms: u64,
}

/// Answer of `POST /v1/sessions/{id}/flush`: everything is sent that clients had submitted when the
/// request came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Flushed {
    /// The session's id.
    pub session: SessionId,
    /// Frames of these that were sent after the request came.
    pub frames_sent: u64,
    /// How long that took, in milliseconds.
    pub waited_ms: u64,
}

impl DestroyWait {
    /// Longest wait that may be asked for, in milliseconds: a day.
    pub const MAX_MS: u64 = 86_400_000;
}
