//! What is told of a recording in a file beside it.

use std::time::{Duration, SystemTime};

use onair_media::video::VideoFormat;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::books::{Counts, ProducerCounts};
use crate::files::UNFINISHED;
use crate::spec::{FormatKind, RecordName, SessionLabel};

/// The version of the manifest's form.
pub const MANIFEST_VERSION: u32 = 1;

/// Gaps and frames that are listed; there may be more, which are counted.
pub const LISTED: usize = 1000;

/// A moment of the wall clock, in JSON as RFC 3339 in UTC with nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub SystemTime);

impl Time {
    /// Now.
    #[must_use]
    pub fn now() -> Self {
        Self(SystemTime::now())
    }

    /// Nanoseconds since 1970.
    #[must_use]
    pub fn from_unix_ns(ns: u64) -> Self {
        Self(SystemTime::UNIX_EPOCH + Duration::from_nanos(ns))
    }

    /// Nanoseconds since 1970; 0 before.
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

/// What ended a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Somebody asked for it.
    Stopped,
    /// Its duration had passed.
    DurationReached,
    /// Its files had the size that was asked for.
    SizeReached,
    /// The session that was recorded is no more.
    SessionEnded,
    /// The daemon shut down.
    Shutdown,
    /// Whoever had started it let go of it.
    Abandoned,
    /// The daemon was gone before it could end it: what is left was repaired.
    Killed,
}

impl Cause {
    /// As it is written in manifests.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
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

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How far a recording is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// It runs: the counts are those of the last second or so.
    Recording,
    /// It has ended in order.
    Complete,
    /// It was cut off, and repaired.
    Repaired,
}

/// One file of a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileReport {
    /// Its name in the folder.
    pub name: String,
    /// Bytes.
    pub bytes: u64,
    /// Events that are in it; of video: packets of the frames that are in it.
    pub events: u64,
    /// Of these, those of each producer, in the manifest's order of producers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_producer: Vec<u64>,
    /// Frames that are in it; only of video.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frames: Option<u64>,
    /// SHA-256 of its bytes in hexadecimal, as `sha256sum` prints it; `None` while it is written.
    pub sha256: Option<String>,
    /// Time of the first event in it.
    pub first_at: Option<Time>,
    /// Time of the last event in it.
    pub last_at: Option<Time>,
}

/// Events of one producer that are missing between two that are there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Whose.
    pub producer: String,
    /// Time of the last event of it before; `None` at its begin.
    pub after: Option<Time>,
    /// Time of the first event of it after; `None` at its end.
    pub before: Option<Time>,
    /// Missing because the ring was full.
    pub ring_full: u64,
    /// Missing because the disk was.
    pub disk_full: u64,
    /// Missing because the files could not be written.
    pub disk_fault: u64,
}

/// A frame that did not come whole and was left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameLeftOut {
    /// How many frames of the flow had begun to arrive before it.
    pub index: u64,
    /// Its RTP timestamp.
    pub rtp_timestamp: u32,
    /// Bytes that did not come.
    pub bytes_missing: u64,
    /// Packets of it that came.
    pub packets: u64,
}

/// The frames of a video recording.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frames {
    /// In the files.
    pub written: u64,
    /// Left out, because they did not come whole.
    pub incomplete: u64,
    /// The first of these.
    pub left_out: Vec<FrameLeftOut>,
}

/// The raster of a video recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Video {
    /// Pixels of a line.
    pub width: u32,
    /// Lines.
    pub height: u32,
    /// Bits of a sample, 8 or 10.
    pub depth: u8,
    /// Frames a second, as a fraction.
    pub rate: String,
    /// How samples lie in a frame, as FFmpeg calls it.
    pub pixel_format: String,
    /// Bytes of a frame.
    pub frame_bytes: u64,
}

impl Video {
    pub(crate) fn of(format: &VideoFormat) -> Self {
        Self {
            width: format.width(),
            height: format.height(),
            depth: format.depth().bits(),
            rate: format.rate().to_string(),
            pixel_format: crate::format::planar::pixel_format(format.depth()).to_owned(),
            frame_bytes: crate::format::planar::frame_bytes(format) as u64,
        }
    }
}

/// What repair did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repair {
    /// When.
    pub at: Time,
    /// The files that were open when the daemon went.
    pub files: Vec<RepairedFile>,
    /// For people: what is known and what is not.
    pub says: String,
}

/// What repair did to one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepairedFile {
    /// Its name now.
    pub name: String,
    /// Bytes of it that were whole and stay as they were.
    pub kept_bytes: u64,
    /// Bytes at its end that were part of something, and were cut off.
    pub cut_bytes: u64,
    /// Bytes that were added, so that it opens.
    pub added_bytes: u64,
    /// Events found in it; of video: frames.
    pub events: u64,
}

/// The whole of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`MANIFEST_VERSION`].
    pub version: u32,
    /// The recording's id.
    pub id: String,
    /// Its name.
    pub name: RecordName,
    /// The session that it recorded.
    pub session: Option<SessionLabel>,
    /// What the files are.
    pub format: FormatKind,
    /// The raster; only of video.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub video: Option<Video>,
    /// Bytes that were captured of each packet at most.
    pub snap_length: u32,
    /// Who recorded.
    pub application: String,
    /// How far it is.
    pub stage: Stage,
    /// When it began.
    pub started_at: Time,
    /// When it ended; of one that runs, or was cut off: when this was written.
    pub as_of: Time,
    /// What ended it.
    pub cause: Option<Cause>,
    /// Its files, in their order.
    pub files: Vec<FileReport>,
    /// The books of all producers together.
    pub totals: Counts,
    /// Those of each.
    pub producers: Vec<ProducerCounts>,
    /// Where events are missing, the first [`LISTED`] places.
    pub gaps: Vec<Gap>,
    /// Further places.
    pub gaps_more: u64,
    /// Only of video.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frames: Option<Frames>,
    /// What went wrong on the way, for people.
    pub problems: Vec<String>,
    /// What repair did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repair: Option<Repair>,
}

impl Manifest {
    /// Longest text that is read: that of some 400,000 files.
    pub const MOST_OCTETS: u64 = 128 << 20;

    /// Bytes of all files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Of a recording that has ended: its files that could not be completed, because the disk did not
    /// take them. Their events count as lost.
    pub fn unfinished(&self) -> impl Iterator<Item = &FileReport> {
        let is_open = |file: &&FileReport| file.name.rsplit('.').next() == Some(UNFINISHED);
        self.files.iter().filter(is_open)
    }
}
