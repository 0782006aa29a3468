//! `[recorder]`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ConfigError;
use super::error::within;

/// `[recorder]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Recorder {
    /// Folder of the recordings; absent: `recordings` in `state.dir`.
    pub folder: Option<PathBuf>,
    /// Most concurrent recordings, 0 to 64. 0: none.
    pub max_recordings: usize,
    /// Ring memory of each recording, 1 to 16,384 MiB.
    pub ring_mb: u64,
    /// MiB to leave free on the disk: below this the recorder does not write.
    pub min_free_mb: u64,
    /// Milliseconds to write out a recording at its end.
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

    /// [`Self::finish_ms`] as a duration.
    #[must_use]
    pub fn finish(&self) -> Duration {
        Duration::from_millis(self.finish_ms)
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
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
