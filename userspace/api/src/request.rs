//! Bodies of requests that are no session.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Body of `POST /v1/sessions/{id}/destroy_wait`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DestroyWait {
    /// How long to wait for the users to leave, in milliseconds from the request's arrival:
    /// 0 to 86,400,000 (a day). 0 looks once.
    #[serde(deserialize_with = "crate::whole::number")]
    #[schema(minimum = 0, maximum = 86_400_000, examples(5000))]
    pub deadline_ms: u64,
}

impl DestroyWait {
    /// Longest wait that may be asked for, in milliseconds: a day.
    pub const MAX_MS: u64 = 86_400_000;
}
