//! `[recorder]`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::ConfigError;
use crate::config::error::within;

/// `[recorder]`: recordings
///
/// **The daemon never removes a finished recording.** [Their files](recording-format.md).
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Recorder {
    /// Absolute path. Without it: `recordings` in `state.dir`.
    pub folder: Option<PathBuf>,
    /// Recordings that run or finish at a time.
    pub max_recordings: usize,
    /// Buffer of each recording: 64 MiB are a fifth of a second of 1080p60 in 10 bit.
    pub ring_mb: u64,
    /// Space to keep free on the disk, twice as much by recordings of others than root. Below it the recorder counts
    /// packets and writes none.
    pub min_free_mb: u64,
    /// Time to write the buffers when a recording ends. Then a stop answers `deadline_passed`;
    /// after a shutdown the next start repairs it.
    pub finish_ms: u64,
}

impl Default for Recorder {
    fn default() -> Self {
        Self {
            folder: None,
            max_recordings: 8,
            ring_mb: 64,
            min_free_mb: 1024,
            finish_ms: 10_000,
        }
    }
}

impl Recorder {
    /// Folder of the recordings.
    #[must_use]
    pub fn folder(&self, state: &Path) -> PathBuf {
        self.folder
            .clone()
            .unwrap_or_else(|| state.join("recordings"))
    }

    /// [`Self::min_free_mb`] in bytes. Users that have a share leave a reserve to those without one, such as root.
    #[must_use]
    pub const fn min_free_bytes(&self, has_no_share: bool) -> u64 {
        let bytes = self.min_free_mb << 20;
        if has_no_share { bytes } else { 2 * bytes }
    }

    /// [`Self::finish_ms`] as a duration.
    #[must_use]
    pub fn finish(&self) -> Duration {
        Duration::from_millis(self.finish_ms)
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if let Some(folder) = &self.folder
            && !folder.is_absolute()
        {
            let problem = "give an absolute path";
            return Err(ConfigError::value(
                "recorder.folder",
                folder.display(),
                problem,
            ));
        }
        within("recorder.max_recordings", self.max_recordings, 0..=64)?;
        within("recorder.ring_mb", self.ring_mb, 1..=16_384)?;
        within("recorder.min_free_mb", self.min_free_mb, 0..=1 << 24)?;
        within("recorder.finish_ms", self.finish_ms, 1..=600_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recording_of_another_user_leaves_root_a_reserve() {
        let recorder = Recorder::default();
        assert_eq!(recorder.min_free_bytes(true), 1 << 30);
        assert_eq!(recorder.min_free_bytes(false), 2 << 30);
    }
}
