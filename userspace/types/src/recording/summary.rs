//! A recording at the daemon's end.

use serde::{Deserialize, Serialize};

use super::{
    ProducerCounts, RecordedFile, RecordedFrames, RecordingCounts, RecordingId, RecordingName,
    RecordingState,
};
use crate::id::{SessionId, SessionName};

/// One recording that ran when the daemon's end began.
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
    /// What became of it: `finished`, `failed`, or `finishing` if it was left behind.
    pub state: RecordingState,
    /// What went wrong, in plain words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Its files.
    pub files: Vec<RecordedFile>,
    /// Its frames, of a recording of video.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frames: Option<RecordedFrames>,
    /// The sums.
    pub counts: RecordingCounts,
    /// What each thread handed over.
    pub producers: Vec<ProducerCounts>,
}
