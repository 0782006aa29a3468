//! `[probe]`: the eBPF probe.

use onair_types::ProbeMode;
use serde::{Deserialize, Serialize};

use super::ConfigError;
use super::error::within;

/// `[probe]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProbeSection {
    /// Whether no attach and no destroy passes without it.
    pub mode: ProbeMode,
    /// Most files of clients watched at a time.
    pub max_files: usize,
    /// Most sites watched at a time, over all files.
    pub max_sites: usize,
    /// Whether the sites of a file share a link, where the kernel has such links (Linux 6.6).
    pub shared_links: bool,
    /// Most looks at clients' files under way at a time, also those that hang.
    pub max_looks: usize,
    /// Most attachments watched at a time; the kernel reserves memory for them at the start.
    pub max_attachments: u32,
    /// Most callers blocked at a time, over all sessions; likewise.
    pub max_blocked: u32,
    /// Threads of a client that are looked at; one with more is not proven to be seen.
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
