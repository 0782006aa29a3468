//! Recordings: their specifications, and their state as the API shows it.
//!
//! A recording writes each packet of one session to disk, from its start until it is stopped, its
//! duration or size is reached, or its session ends. Its counts are exact, for each producer and in
//! total: *arrived = accepted + dropped*, and after the end *accepted = written + lost*.

mod id;
mod spec;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::{SessionId, SessionName};
use crate::text::texts;
use crate::time::Timestamp;
use crate::who::Who;

pub use self::id::{RecordingError, RecordingId, RecordingName, RecordingRef};
pub use self::spec::{RecordingFormat, RecordingSpec};

/// State of a recording: `starting → recording ⇄ degraded → finishing → finished`, or `→ failed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RecordingState {
    /// The daemon creates its file.
    Starting,
    /// It writes all packets.
    Recording,
    /// It cannot write all packets; `reason` gives the cause. It counts the packets that it does
    /// not write, and recovers on its own.
    Degraded,
    /// It accepts no packet; it writes the rest to disk.
    Finishing,
    /// Its files are complete and on disk.
    Finished,
    /// It ended and its files are incomplete or of unknown state; `reason` gives the cause.
    Failed,
    /// The daemon died while it ran. The next daemon made its files readable; `repair` says what
    /// was removed.
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

    /// Whether the state is final.
    #[must_use]
    pub fn is_over(self) -> bool {
        matches!(self, Self::Finished | Self::Failed | Self::Repaired)
    }
}

texts! {
    RecordingState:
    Starting "starting", Recording "recording", Degraded "degraded", Finishing "finishing",
    Finished "finished", Failed "failed", Repaired "repaired"
}

/// Why a recording ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RecordingEnd {
    /// A requester stopped it.
    Stopped,
    /// Its duration passed.
    DurationReached,
    /// Its files reached the requested size.
    SizeReached,
    /// Its session was destroyed, aborted or quarantined.
    SessionEnded,
    /// The daemon shut down.
    Shutdown,
    /// Its last user in the daemon dropped it.
    Abandoned,
    /// The daemon died.
    Killed,
}

texts! {
    RecordingEnd:
    Stopped "stopped", DurationReached "duration_reached", SizeReached "size_reached",
    SessionEnded "session_ended", Shutdown "shutdown", Abandoned "abandoned", Killed "killed"
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
    /// Packets in it.
    pub events: u64,
    /// SHA-256 of its bytes, as `sha256sum` prints it; absent while the recording writes to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// Repair of an interrupted recording, done when the daemon started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RecordingRepair {
    /// When the daemon repaired it.
    pub at: Timestamp,
    /// Bytes of incomplete data removed from the end of its files.
    pub cut_bytes: u64,
    /// Bytes added to make the files readable.
    pub added_bytes: u64,
    /// Findings about the recording, and the facts that stay unknown.
    pub says: String,
}

/// A restart of the daemon, after which the recording went on in a next file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RecordingRestart {
    /// How the daemon before it ended: `shutdown` or `killed`.
    pub cause: RecordingEnd,
    /// Time of the last packet before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Timestamp>,
    /// Time of the first packet after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Timestamp>,
    /// Packets between these two that are in no file, by their RTP sequence numbers; absent if not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed: Option<u64>,
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
    /// File format.
    pub format: RecordingFormat,
    /// State of the recording.
    pub state: RecordingState,
    /// The cause, for people, for `degraded` and `failed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why it ends or has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<RecordingEnd>,
    /// The process that started it; absent for a recording of an earlier daemon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Who>,
    /// When it began to accept packets.
    pub started_at: Timestamp,
    /// When it accepted the last packet; absent while it accepts packets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Folder of its files.
    pub folder: String,
    /// Its files, in order.
    pub files: Vec<RecordedFile>,
    /// Its counts.
    pub counts: RecordingCounts,
    /// Counts of each producer.
    pub producers: Vec<ProducerCounts>,
    /// Number of gaps: missing packets between two written ones.
    #[serde(default)]
    pub gaps: u64,
    /// The first 100 gaps, in the order in which they ended; left out in a list of recordings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gap_list: Vec<RecordingGap>,
    /// Problems so far, for people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// The repair, if the daemon repaired it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repair: Option<RecordingRepair>,
    /// Restarts of the daemon between its files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restarts: Vec<RecordingRestart>,
}

/// Packets that are missing between two written ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RecordingGap {
    /// Time of the last packet before it; absent if it is at the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Timestamp>,
    /// Time of the first packet after it; absent if it is at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Timestamp>,
    /// Packets missing because the disk or the drain thread was too slow.
    pub ring_full: u64,
    /// Packets missing because the disk was full.
    pub disk_full: u64,
    /// Packets missing because the disk failed.
    pub disk_fault: u64,
}

/// Answer of `GET /v1/recordings`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RecordingList {
    /// Recordings, oldest first: the running ones, and the ended ones in the daemon's list.
    pub recordings: Vec<RecordingView>,
}

/// Counts of the packets that arrived during a recording.
///
/// *arrived = accepted + dropped* and *accepted = written + lost + pending*, always. After the end
/// `pending` is 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct RecordingCounts {
    /// Offered packets.
    pub arrived: u64,
    /// Of these, accepted packets.
    pub accepted: u64,
    /// Of these, refused packets, by reason: `ring_full`, `disk_full`, `disk_fault`,
    /// `not_accepting` (it was stopped). Zeros are left out.
    pub dropped: BTreeMap<String, u64>,
    /// Of the accepted packets, those in its files.
    pub written: u64,
    /// Bytes of these packets, without the file format's own.
    pub written_bytes: u64,
    /// Of the accepted packets, those in no file, by reason: `disk_full`, `disk_fault`, `removed`,
    /// `killed`. Zeros are left out.
    pub lost: BTreeMap<String, u64>,
    /// Of the accepted packets, those not yet written.
    pub pending: u64,
    /// Packets that the recorder or its disk failed to keep: those dropped as `ring_full`, `disk_full`
    /// or `disk_fault`, and those lost as `disk_full`, `disk_fault`, `removed` or `killed`.
    pub missing: u64,
}

impl RecordingCounts {
    /// Refused packets, in total.
    #[must_use]
    pub fn dropped_in_all(&self) -> u64 {
        self.dropped.values().sum()
    }

    /// Accepted packets that were not written, in total.
    #[must_use]
    pub fn lost_in_all(&self) -> u64 {
        self.lost.values().sum()
    }

    /// Share of the packets that should be in the files and are [`missing`](Self::missing), in percent.
    #[must_use]
    pub fn missing_percent(&self) -> f64 {
        let late = self.dropped.get("not_accepting").copied().unwrap_or(0);
        let of = self.arrived.saturating_sub(late).max(self.missing).max(1);
        #[expect(clippy::cast_precision_loss, reason = "a share for people")]
        let share = self.missing as f64 / of as f64;
        100.0 * share
    }

    /// Whether both equations are true.
    #[must_use]
    pub fn balance(&self) -> bool {
        self.arrived == self.accepted + self.dropped_in_all()
            && self.accepted == self.written + self.lost_in_all() + self.pending
    }
}

/// Counts of one producer: a polling thread that offers packets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProducerCounts {
    /// Its name: the port, and the polling thread.
    #[cfg_attr(feature = "openapi", schema(examples("b (onair-p0)")))]
    pub name: String,
    /// Its counts.
    #[serde(flatten)]
    pub counts: RecordingCounts,
}

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
