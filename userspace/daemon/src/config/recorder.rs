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
    /// Folder of the files; absent: `recordings` in `state.dir`.
    pub folder: Option<PathBuf>,
    /// Recordings that run at a time, 0 to 64. 0: none.
    pub max_recordings: usize,
    /// MiB that each of them may have in memory on the way to the disk, 1 to 16,384.
    pub ring_mb: u64,
    /// MiB that stay free on the disk: below this nothing is written.
    pub min_free_mb: u64,
    /// Milliseconds that a recording may take to bring what it has to the disk when it ends.
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
    /// Folder of the files.
    #[must_use]
    pub fn folder(&self, state: &Path) -> PathBuf {
        self.folder
            .clone()
            .unwrap_or_else(|| state.join("recordings"))
    }

    /// [`Self::finish_ms`].
    #[must_use]
    pub fn finish(&self) -> Duration {
        Duration::from_millis(self.finish_ms)
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if let Some(folder) = &self.folder
            && !folder.is_absolute()
        {
            let problem = "give a path from the root on";
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
