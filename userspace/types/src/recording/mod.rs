//! Recordings: what is asked for, and what the daemon shows of them.
//!
//! A recording takes each packet of one session to disk, from its start until it is stopped, its time
//! or size is reached, or its session ends. Its books are exact, for each producer and in all:
//! *arrived = accepted + dropped*, and once it has ended *accepted = written + lost*.

mod counts;
mod id;
mod spec;
mod summary;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::counts::{ProducerCounts, RecordingCounts};
pub use self::id::{RecordingError, RecordingId, RecordingName, RecordingRef};
pub use self::spec::{RecordingFormat, RecordingSpec};
pub use self::summary::RecordingSummary;
use crate::id::{SessionId, SessionName};
use crate::time::Timestamp;
use crate::who::Who;

/// Where a recording stands: `starting → recording ⇄ degraded → finishing → finished`, or `→ failed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RecordingState {
    /// Its file is being made.
    Starting,
    /// What arrives is written.
    Recording,
    /// Something keeps it from writing all that arrives: `reason` says what. What is not written is
    /// counted. It goes on by itself when it can.
    Degraded,
    /// It takes nothing more; the rest is on its way to the disk.
    Finishing,
    /// Its files are whole and on disk.
    Finished,
    /// It ended and its files are not whole, or nobody knows: `reason` says why.
    Failed,
    /// The daemon died while it ran. Its files were made to open at the next start; `repair` says
    /// what was cut off.
    Repaired,
}

impl RecordingState {
    /// Every state, in order.
    pub const ALL: [Self; 7] = [
        Self::Starting,
        Self::Recording,
        Self::Degraded,
        Self::Finishing,
        Self::Finished,
        Self::Failed,
        Self::Repaired,
    ];

    /// The word of the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Recording => "recording",
            Self::Degraded => "degraded",
            Self::Finishing => "finishing",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Repaired => "repaired",
        }
    }

    /// Whether nothing changes any more.
    #[must_use]
    pub fn is_over(self) -> bool {
        matches!(self, Self::Finished | Self::Failed | Self::Repaired)
    }
}

impl fmt::Display for RecordingState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why a recording ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RecordingEnd {
    /// Somebody stopped it.
    Stopped,
    /// Its duration had passed.
    DurationReached,
    /// Its files had the size that was asked for.
    SizeReached,
    /// Its session was destroyed, aborted or quarantined.
    SessionEnded,
    /// The daemon shut down.
    Shutdown,
    /// Nothing had it any more.
    Abandoned,
    /// The daemon died.
    Killed,
}

impl RecordingEnd {
    /// The word of the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::DurationReached => "duration_reached",
            Self::SizeReached => "size_reached",
            Self::SessionEnded => "session_ended",
            Self::Shutdown => "shutdown",
            Self::Abandoned => "abandoned",
            Self::Killed => "killed",
        }
    }
}

impl fmt::Display for RecordingEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One file of a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RecordedFile {
    /// Its name, in the recorder's folder.
    #[cfg_attr(feature = "openapi", schema(examples("cam1.0001.pcapng")))]
    pub name: String,
    /// Its bytes.
    pub bytes: u64,
    /// Packets in it, or of which its frames were made.
    pub events: u64,
    /// SHA-256 of its bytes, as `sha256sum` prints it; absent while it is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// Frames of a recording of video.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RecordedFrames {
    /// Frames in the files, each of them whole.
    pub written: u64,
    /// Frames that were left out because something of them was missing.
    pub incomplete: u64,
}

/// What the daemon did at its start to a recording that was cut off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RecordingRepair {
    /// When.
    pub at: Timestamp,
    /// Bytes at the end of its files that were part of something and were cut off.
    pub cut_bytes: u64,
    /// Bytes that were added, so that they open.
    pub added_bytes: u64,
    /// What is known of it, and what is not.
    pub says: String,
}

/// A recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RecordingView {
    /// Its identity.
    pub id: RecordingId,
    /// Its name: that of its files.
    pub name: RecordingName,
    /// The session that it records.
    pub session: SessionId,
    /// That session's name.
    pub session_name: SessionName,
    /// What is written.
    pub format: RecordingFormat,
    /// Where it stands.
    pub state: RecordingState,
    /// What is wrong, in plain words, for `degraded` and `failed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why it ends or has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<RecordingEnd>,
    /// Who started it; absent for one of an earlier daemon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Who>,
    /// When it began to take packets.
    pub started_at: Timestamp,
    /// When it took the last one; absent while it takes more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Folder of its files.
    pub folder: String,
    /// Its files, in order.
    pub files: Vec<RecordedFile>,
    /// Its books.
    pub counts: RecordingCounts,
    /// The same for each producer.
    pub producers: Vec<ProducerCounts>,
    /// Places where packets are missing between two that are there.
    #[serde(default)]
    pub gaps: u64,
    /// What went wrong on the way, in plain words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// Of a recording of video.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frames: Option<RecordedFrames>,
    /// Of one that the daemon repaired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repair: Option<RecordingRepair>,
}

/// Answer of `GET /v1/recordings`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RecordingList {
    /// Recordings, oldest first: those that run, and those that have ended and are remembered.
    pub recordings: Vec<RecordingView>,
}
