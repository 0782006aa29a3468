//! A recording at the daemon's shutdown.

use serde::{Deserialize, Serialize};

use super::{
    ProducerCounts, RecordedFile, RecordingCounts, RecordingId, RecordingName, RecordingState,
};
use crate::id::{SessionId, SessionName};

/// One recording that ran when the shutdown began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RecordingSummary {
    /// Its id.
    pub id: RecordingId,
    /// Its name.
    pub name: RecordingName,
    /// The session that it recorded.
    pub session: SessionId,
    /// That session's name.
    pub session_name: SessionName,
    /// How it ended: `finished`, `failed`, or `finishing` if the shutdown did not wait for it.
    pub state: RecordingState,
    /// The cause of a failure, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Its files.
    pub files: Vec<RecordedFile>,
    /// Its totals.
    pub counts: RecordingCounts,
    /// Counts of each producer.
    pub producers: Vec<ProducerCounts>,
}
