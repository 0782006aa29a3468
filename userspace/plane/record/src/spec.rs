//! Specification of a recording.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use onair_api::{RecordingSpec, Who};
use serde::{Deserialize, Serialize};

use crate::error::RecordError;
use crate::producer::MAX_SNAP_LENGTH;

/// Suffix of a file until it is complete.
pub(crate) const UNFINISHED: &str = "part";

/// Longest name of a recording, in bytes.
pub const MAX_NAME: usize = 100;

/// Smallest ring of a producer, in bytes.
pub const MIN_RING: usize = 64 * 1024;

/// Largest ring of a producer, in bytes.
pub const MAX_RING: usize = 4 << 30;

/// Smallest part that a recording may be split into, in bytes.
pub const MIN_SPLIT: u64 = 64 * 1024;

/// Name of a recording and base of its file names. It cannot leave the folder.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RecordName(String);

/// Why a text is not a valid recording name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "give 1 to {MAX_NAME} letters, digits, dots, hyphens and underscores (ASCII), the first one a letter or a digit, and no dot with four digits or more at the end: that is how parts are numbered"
)]
pub struct BadName;

impl RecordName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RecordName {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        let begins_well = text
            .bytes()
            .next()
            .is_some_and(|it| it.is_ascii_alphanumeric());
        let looks_like_part = text
            .rsplit_once('.')
            .is_some_and(|(_, end)| end.len() >= 4 && end.bytes().all(|it| it.is_ascii_digit()));
        if text.len() > MAX_NAME || !begins_well || looks_like_part || !text.bytes().all(is_plain) {
            return Err(BadName);
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for RecordName {
    type Error = BadName;

    fn try_from(text: String) -> Result<Self, BadName> {
        text.parse()
    }
}

impl From<RecordName> for String {
    fn from(name: RecordName) -> Self {
        name.0
    }
}

impl fmt::Display for RecordName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The recorded session, as the manifest names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionLabel {
    /// Session id.
    pub id: String,
    /// Session name.
    pub name: String,
    /// Its specification when the recording started, as the API has it: readers of the files need it,
    /// the recorder does not.
    pub spec: serde_json::Value,
}

/// Specification of a recording. [`Spec::new`] has the defaults.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Folder of the files; created if it does not exist.
    pub folder: PathBuf,
    /// Name of the recording.
    pub name: RecordName,
    /// Id in the manifest; free text.
    pub id: String,
    /// The recorded session.
    pub session: Option<SessionLabel>,
    /// Most captured bytes of each packet, 1 to [`MAX_SNAP_LENGTH`].
    pub snap_length: u32,
    /// Size of each producer's ring in bytes, [`MIN_RING`] to [`MAX_RING`]. The memory is touched
    /// when the producer is created.
    pub ring_bytes: usize,
    /// Bytes to leave free on the disk: below this the recorder does not write.
    pub min_free_bytes: u64,
    /// The recording ends this long after its start.
    pub duration: Option<Duration>,
    /// The recording ends when its files have this many bytes. Events accepted by then are still
    /// written: the files may become longer by the content of the rings.
    pub size: Option<u64>,
    /// Starts a new file before one becomes longer than this many bytes, at least [`MIN_SPLIT`].
    pub split_size: Option<u64>,
    /// Starts a new file this long after the first event of the current one.
    pub split_duration: Option<Duration>,
    /// Longest sleep of the drain thread. `None`: half of the time in which 10 Gb/s fill the
    /// smallest ring, at most 20 ms.
    pub sleep: Option<Duration>,
    /// Program and version of the recorder, for the files.
    pub application: String,
    /// Kept in the manifest until an end that is not the daemon's: the recording may go on.
    pub request: Option<Request>,
}

impl Spec {
    /// Defaults: whole packets, a ring of 16 MiB, 256 MiB free, no end, no splitting.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>, name: RecordName) -> Self {
        Self {
            folder: folder.into(),
            name,
            id: String::new(),
            session: None,
            snap_length: MAX_SNAP_LENGTH,
            ring_bytes: 16 << 20,
            min_free_bytes: 256 << 20,
            duration: None,
            size: None,
            split_size: None,
            split_duration: None,
            sleep: None,
            application: concat!("onair-record ", env!("CARGO_PKG_VERSION")).to_owned(),
            request: None,
        }
    }

    /// Checks the values. [`crate::Recording::start`] calls this too.
    ///
    /// # Errors
    /// [`RecordError::Value`] for the first invalid value.
    pub fn check(&self) -> Result<(), RecordError> {
        let within = |what, value: u64, least: u64, most: u64| {
            if (least..=most).contains(&value) {
                return Ok(());
            }
            Err(RecordError::Value {
                what,
                value,
                least,
                most,
            })
        };
        within(
            "snap_length",
            self.snap_length.into(),
            1,
            MAX_SNAP_LENGTH.into(),
        )?;
        within(
            "ring_bytes",
            self.ring_bytes as u64,
            MIN_RING as u64,
            MAX_RING as u64,
        )?;
        let seconds =
            |it: Option<Duration>| it.map(|it| it.as_millis().try_into().unwrap_or(u64::MAX));
        // A hundred years in milliseconds: deadlines stay within the range of the clock.
        const LONGEST: u64 = 100 * 366 * 86_400_000;
        for (what, value, least, most) in [
            ("duration_ms", seconds(self.duration), 1, LONGEST),
            (
                "split_duration_ms",
                seconds(self.split_duration),
                1,
                LONGEST,
            ),
            ("size", self.size, 1, u64::MAX),
            ("split_size", self.split_size, MIN_SPLIT, u64::MAX),
        ] {
            if let Some(value) = value {
                within(what, value, least, most)?;
            }
        }
        Ok(())
    }

    pub(crate) const fn is_split(&self) -> bool {
        self.split_size.is_some() || self.split_duration.is_some()
    }
}

/// The request of a recording that goes on after a restart of the daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The request: its limits apply to all files together.
    pub spec: RecordingSpec,
    /// The process that started it.
    pub starter: Who,
    /// Uid of the recorded session's owner.
    pub owner: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_any_that_could_leave_the_folder_then_refused() {
        for wrong in [
            "",
            ".",
            "..",
            ".hidden",
            "a/b",
            "/a",
            "../a",
            "-rf",
            "a b",
            "a\0",
            "ä",
            "a\n",
            "_a",
            "rec.0001",
            &"a".repeat(MAX_NAME + 1),
        ] {
            assert_eq!(wrong.parse::<RecordName>(), Err(BadName), "{wrong:?}");
        }
        for right in [
            "a",
            "cam1.2026-11-20_14.30",
            "rec.001",
            "2026",
            "0",
            &"a".repeat(MAX_NAME),
        ] {
            assert_eq!(right.parse::<RecordName>().unwrap().as_str(), right);
        }
        assert!(serde_json::from_str::<RecordName>("\"../a\"").is_err());
    }

    #[test]
    fn spec_value_out_of_range_then_named() {
        let good = Spec::new("/tmp", "a".parse().unwrap());
        good.check().unwrap();
        let named = |change: fn(&mut Spec)| {
            let mut spec = good.clone();
            change(&mut spec);
            spec.check().unwrap_err().to_string()
        };
        assert!(named(|it| it.snap_length = 0).contains("snap_length 0"));
        assert!(named(|it| it.ring_bytes = 1).contains("ring_bytes 1"));
        assert!(named(|it| it.split_size = Some(1)).contains("split_size 1"));
        assert!(named(|it| it.size = Some(0)).contains("size 0"));
        assert!(named(|it| it.duration = Some(Duration::ZERO)).contains("duration_ms 0"));
        assert!(named(|it| it.duration = Some(Duration::MAX)).contains("duration_ms"));
    }
}
