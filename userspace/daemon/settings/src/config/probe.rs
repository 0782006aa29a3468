//! `[probe]`: the eBPF probe.

use onair_api::ProbeMode;
use serde::{Deserialize, Serialize};

use super::ConfigError;
use super::error::within;

/// `[probe]`: the eBPF probe
///
/// A client under Valgrind attaches only with `preferred` or `off`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProbeSection {
    /// Whether attach and destroy require the probe. A reload changes it between `required` and
    /// `preferred` only.
    pub mode: ProbeMode,
    /// Clients' programs and libraries that are watched at a time.
    pub max_files: usize,
    /// Sites in these files. Each adds 0.1 s to a shutdown without shared links.
    pub max_sites: usize,
    /// The sites of a file share a link if the kernel can: Linux 6.6.
    pub shared_links: bool,
    /// Concurrent inspections of clients' files, each on a thread; also hung ones.
    pub max_looks: usize,
    /// Attachments that are watched at a time, at least `limits.connections`.
    pub max_attachments: u32,
    /// Blocked callers of all sessions. Above it the daemon destroys nothing.
    pub max_blocked: u32,
    /// Threads of one client. With more, only `abort` and `quarantine` end its session if
    /// `required`.
    pub max_threads: usize,
}

impl Default for ProbeSection {
    fn default() -> Self {
        Self {
            mode: ProbeMode::Required,
            max_files: 64,
            max_sites: 256,
            shared_links: true,
            max_looks: 64,
            max_attachments: 4096,
            max_blocked: 16_384,
            max_threads: 4096,
        }
    }
}

impl ProbeSection {
    pub(super) fn check(&self, connections: u32) -> Result<(), ConfigError> {
        within("probe.max_files", self.max_files, 1..=4096)?;
        within("probe.max_sites", self.max_sites, 2..=16_384)?;
        within("probe.max_looks", self.max_looks, 4..=1024)?;
        within("probe.max_blocked", self.max_blocked, 64..=1 << 20)?;
        within("probe.max_threads", self.max_threads, 16..=65_536)?;
        within("probe.max_attachments", self.max_attachments, 1..=65_536)?;
        if self.max_attachments >= connections {
            return Ok(());
        }
        Err(ConfigError::value(
            "probe.max_attachments",
            self.max_attachments,
            format!("give at least limits.connections, which is {connections}"),
        ))
    }
}
