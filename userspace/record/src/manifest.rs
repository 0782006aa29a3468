//! The manifest: the description of a recording in a file beside it.

use std::time::{Duration, SystemTime};

use onair_api::{RecordingEnd, RecordingFormat};
use onair_essence::video::{Depth, Sampling, Scan, VideoFormat};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::spec::{RecordName, SessionLabel, UNFINISHED};
use crate::totals::{Counts, ProducerCounts};

/// Version of the manifest format.
pub const MANIFEST_VERSION: u32 = 1;

/// Most gaps and frames in the lists; further ones are only counted.
pub const LISTED: usize = 1000;

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
    /// Events in it. Video: packets of the frames in it.
    pub events: u64,
    /// Events of each producer, in the manifest's order of producers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_producer: Vec<u64>,
    /// Frames in it. Video only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frames: Option<u64>,
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

/// An incomplete frame that was left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameLeftOut {
    /// Number of frames of the flow that began to arrive before it.
    pub index: u64,
    /// RTP timestamp of the frame.
    pub rtp_timestamp: u32,
    /// Bytes that did not arrive.
    pub bytes_missing: u64,
    /// Packets of it that arrived.
    pub packets: u64,
}

/// Frames of a video recording.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frames {
    /// Frames in the files.
    pub written: u64,
    /// Frames left out because they were incomplete.
    pub incomplete: u64,
    /// The first frames left out.
    pub left_out: Vec<FrameLeftOut>,
}

/// A video recording's format, and how its files have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedVideo {
    /// Pixels in a line.
    pub width: u32,
    /// Lines in a frame.
    pub height: u32,
    /// Colour components; YCbCr-4:2:2 in manifests of older versions.
    #[serde(default)]
    pub sampling: Sampling,
    /// Bits of a sample.
    pub depth: u8,
    /// Frames per second, as a fraction.
    pub rate: String,
    /// FFmpeg's name of the pixel format.
    pub pixel_format: String,
    /// Bytes of a frame.
    pub frame_bytes: u64,
}

impl RecordedVideo {
    pub(crate) fn of(format: &VideoFormat) -> Self {
        Self {
            width: format.width(),
            height: format.height(),
            sampling: format.sampling(),
            depth: format.depth().bits(),
            rate: format.rate().to_string(),
            pixel_format: crate::planar::pixel_format(format)
                .unwrap_or_default()
                .to_owned(),
            frame_bytes: crate::planar::frame_bytes(format) as u64,
        }
    }

    /// The format; `None` if frames of it are not written. Segments are in files as frames.
    pub(crate) fn format(&self) -> Option<VideoFormat> {
        let depth = Depth::from_bits(self.depth.into(), false)?;
        let (size, samples) = ((self.width, self.height), (self.sampling, depth));
        let rate = self.rate.parse().ok()?;
        let format = VideoFormat::of(size, samples, Scan::Progressive, rate).ok()?;
        crate::planar::pixel_format(&format).map(|_| format)
    }
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
    /// Events found in it. Video: frames.
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
    /// Raster. Video only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub video: Option<RecordedVideo>,
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
    /// Frame counts. Video only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frames: Option<Frames>,
    /// Problems during the recording, for humans.
    pub problems: Vec<String>,
    /// Result of the repair.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repair: Option<Repair>,
}

impl Manifest {
    /// Longest manifest that is read, bytes: that of some 400,000 files.
    pub const MOST_BYTES: u64 = 128 << 20;

    /// Bytes of all files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Counts the written frames: those in the files, not those that only came as far as a buffer.
    pub(crate) fn count_frames(&mut self) {
        if let Some(frames) = &mut self.frames {
            frames.written = self.files.iter().filter_map(|file| file.frames).sum();
        }
    }

    /// Files of an ended recording that the disk did not take completely. Their events count as
    /// lost.
    pub fn unfinished(&self) -> impl Iterator<Item = &FileReport> {
        let is_open = |file: &&FileReport| file.name.rsplit('.').next() == Some(UNFINISHED);
        self.files.iter().filter(is_open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use onair_essence::video::FrameRate;

    #[test]
    fn rasters_of_recordings_then_written_as_pinned() {
        let pinned = include_str!("manifest/rasters.json");
        let rate = |num, den| FrameRate::new(num, den).unwrap();
        let (ten, twelve) = (Depth::Ten, Depth::Twelve);
        let rasters = [
            (
                (1920, 1080),
                (Sampling::YCbCr422, ten),
                Scan::Progressive,
                rate(60_000, 1001),
            ),
            (
                (1920, 1080),
                (Sampling::YCbCr422, Depth::Eight),
                Scan::Psf,
                rate(25, 1),
            ),
            (
                (721, 487),
                (Sampling::Rgb, twelve),
                Scan::Progressive,
                rate(24_000, 1001),
            ),
            (
                (1280, 720),
                (Sampling::YCbCr420, ten),
                Scan::Progressive,
                rate(50, 1),
            ),
            (
                (16, 2),
                (Sampling::Key, twelve),
                Scan::Progressive,
                rate(1, 1),
            ),
        ];
        let written: Vec<_> = rasters
            .into_iter()
            .map(|(size, samples, scan, rate)| {
                RecordedVideo::of(&VideoFormat::of(size, samples, scan, rate).unwrap())
            })
            .collect();
        let found = serde_json::to_string_pretty(&written).unwrap() + "\n";
        assert_eq!(found, pinned);
        assert_eq!(
            serde_json::from_str::<Vec<RecordedVideo>>(pinned).unwrap(),
            written
        );
    }
}
