//! Sections about what the daemon writes: its log, its state, and recordings.

use std::path::{Path, PathBuf};
use std::time::Duration;

use onair_archive::Retention;
use serde::{Deserialize, Serialize};

use crate::config::ConfigError;
use crate::config::error::within;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Format of the log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// for people.
    #[default]
    Text,
    /// one JSON object a line.
    Json,
}

/// `[log]`: lines on standard error
///
/// Without a reader the daemon buffers 1 MiB of lines, and drops and counts further ones
/// (`onair_log_lines_dropped_total`).
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// Format of each line, except for errors of the configuration.
    pub format: LogFormat,
    /// For example `info,dpdk=debug`. It never drops the summary, panics and the error that ends a
    /// start.
    pub filter: String,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            filter: "info".into(),
        }
    }
}

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

/// `[state]`: what is kept on disk
///
/// The daemon reads only files of root or its own user that others cannot write. It renames an
/// invalid session or journal to `NAME.corrupt`, and starts.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct StateConfig {
    /// Folder of certificates, sessions to restore, and the journal `resources.json`. One daemon
    /// each.
    pub dir: PathBuf,
    /// Certificates to keep of sessions that clients used, the newest; and as many of those that no client
    /// used. With too many, the user with the most loses the oldest.
    pub certificates: usize,
    /// Days to keep a certificate; 0: forever.
    pub certificate_days: u32,
    /// A start switches `/sys/kernel/rcu_expedited` on until it is ready, if the daemon may write it. The picture is back
    /// sooner (over AF_XDP: 142 ms after a kill, else 262); meanwhile the kernel interrupts all of the machine's cores more
    /// often, those of other programs, too.
    pub expedite_rcu: bool,
}

impl StateConfig {
    /// Retention rules for certificates.
    pub fn retention(&self) -> Retention {
        let days = self.certificate_days;
        Retention {
            count: self.certificates,
            age: (days > 0).then(|| DAY * days),
        }
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        within("state.certificates", self.certificates, 1..=100_000)?;
        within("state.certificate_days", self.certificate_days, 0..=36_500)
    }
}

impl Default for StateConfig {
    fn default() -> Self {
        Self {
            dir: "/var/lib/onair".into(),
            certificates: 1000,
            certificate_days: 0,
            expedite_rcu: true,
        }
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
