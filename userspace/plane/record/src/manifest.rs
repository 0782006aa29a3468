//! The manifest: the description of a recording in a file beside it.

use std::time::{Duration, SystemTime};

use onair_api::{RecordingEnd, RecordingFormat};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::spec::{RecordName, Request, SessionLabel, UNFINISHED};
use crate::totals::{Counts, ProducerCounts};

/// Version of the manifest format.
pub const MANIFEST_VERSION: u32 = 1;

/// Most gaps in the list; further ones are only counted.
pub const LISTED: usize = 1000;

/// Most gaps that are told of a recording without its manifest.
pub const GAPS_TOLD: usize = 100;

/// Wall-clock time; in JSON as RFC 3339 in UTC with nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub SystemTime);

impl Time {
    /// The current time.
    #[must_use]
    pub fn now() -> Self {
        Self(SystemTime::now())
    }

    /// From nanoseconds since 1970.
    #[must_use]
    pub fn from_unix_ns(ns: u64) -> Self {
        Self(SystemTime::UNIX_EPOCH + Duration::from_nanos(ns))
    }

    /// Nanoseconds since 1970; 0 for earlier times.
    #[must_use]
    pub fn unix_ns(self) -> u64 {
        let since = self.0.duration_since(SystemTime::UNIX_EPOCH);
        since.map_or(0, |it| u64::try_from(it.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl std::fmt::Display for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        humantime::format_rfc3339_nanos(self.0).fmt(f)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time = humantime::parse_rfc3339(&text).map_err(serde::de::Error::custom)?;
        Ok(Self(time))
    }
}

/// Stage of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// It runs: the counts are at most about a second old.
    Recording,
    /// It ended in order.
    Complete,
    /// It was interrupted and repaired.
    Repaired,
}

/// One file of a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileReport {
    /// File name in the folder.
    pub name: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Events in it.
    pub events: u64,
    /// Events of each producer, in the manifest's order of producers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_producer: Vec<u64>,
    /// SHA-256 in hexadecimal, in the format of `sha256sum`; `None` while it is being written.
    pub sha256: Option<String>,
    /// Time of the first event in it.
    pub first_at: Option<Time>,
    /// Time of the last event in it.
    pub last_at: Option<Time>,
}

/// Missing events of one producer between two recorded ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Name of the producer.
    pub producer: String,
    /// Time of the producer's last event before; `None` at the beginning.
    pub after: Option<Time>,
    /// Time of the producer's first event after; `None` at the end.
    pub before: Option<Time>,
    /// Missing because the ring was full.
    pub ring_full: u64,
    /// Missing because the disk was full.
    pub disk_full: u64,
    /// Missing because the files could not be written.
    pub disk_fault: u64,
}

/// An end of the daemon after which the recording went on in a next file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restart {
    /// Why the files before it ended: `shutdown` or `killed`.
    pub cause: RecordingEnd,
    /// Time of the last event before; `None` if there is none.
    pub after: Option<Time>,
    /// Time of the first event after; `None` if none has come.
    #[serde(default)]
    pub before: Option<Time>,
    /// Events between these two that are in no file, by the numbers in the events; `None`: not known.
    #[serde(default)]
    pub missed: Option<u64>,
}

/// Result of a repair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repair {
    /// Time of the repair.
    pub at: Time,
    /// Files that were unfinished when the daemon died.
    pub files: Vec<RepairedFile>,
    /// For humans: what is known and what is not.
    pub says: String,
}

/// Result of the repair of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepairedFile {
    /// Current file name.
    pub name: String,
    /// Bytes kept unchanged.
    pub kept_bytes: u64,
    /// Incomplete bytes removed from the end.
    pub cut_bytes: u64,
    /// Bytes added so that tools open the file.
    pub added_bytes: u64,
    /// Events found in it.
    pub events: u64,
}

/// The complete manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`MANIFEST_VERSION`].
    pub version: u32,
    /// The recording's id.
    pub id: String,
    /// Recording name.
    pub name: RecordName,
    /// The recorded session.
    pub session: Option<SessionLabel>,
    /// File format.
    pub format: RecordingFormat,
    /// Most captured bytes of each packet.
    pub snap_length: u32,
    /// Program and version of the recorder.
    pub application: String,
    /// Stage of the recording.
    pub stage: Stage,
    /// Start time.
    pub started_at: Time,
    /// End time. For a running or interrupted recording: when this was written.
    pub as_of: Time,
    /// Cause of the end.
    pub cause: Option<RecordingEnd>,
    /// Its files, in order.
    pub files: Vec<FileReport>,
    /// Counts of all producers together.
    pub totals: Counts,
    /// Counts of each producer.
    pub producers: Vec<ProducerCounts>,
    /// Gaps, the first [`LISTED`].
    pub gaps: Vec<Gap>,
    /// Number of further gaps.
    pub gaps_more: u64,
    /// Problems during the recording, for humans.
    pub problems: Vec<String>,
    /// Result of the repair.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repair: Option<Repair>,
    /// Restarts of the daemon between its files, at most [`LISTED`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restarts: Vec<Restart>,
    /// With it, the recording goes on after the next start of the daemon. Absent once it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Request>,
}

impl Manifest {
    /// Longest manifest that is read, bytes: that of some 400,000 files.
    pub const MOST_BYTES: u64 = 128 << 20;

    /// Bytes of all files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Number of gaps, listed or not.
    #[must_use]
    pub fn gaps_in_all(&self) -> u64 {
        self.gaps.len() as u64 + self.gaps_more
    }

    /// Time of the last event in the files.
    #[must_use]
    pub fn last_at(&self) -> Option<Time> {
        self.files.iter().filter_map(|file| file.last_at).max()
    }

    /// Files of an ended recording that the disk did not take completely. Their events count as
    /// lost.
    pub fn unfinished(&self) -> impl Iterator<Item = &FileReport> {
        let is_open = |file: &&FileReport| file.name.rsplit('.').next() == Some(UNFINISHED);
        self.files.iter().filter(is_open)
    }
}
