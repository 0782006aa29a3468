//! `[probe]`: the eBPF probe.

use onair_types::ProbeMode;
use serde::{Deserialize, Serialize};

use super::ConfigError;
use super::error::within;

/// `[probe]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProbeSection {
    /// Whether attach and destroy require the probe.
    pub mode: ProbeMode,
    /// Most client files watched at once.
    pub max_files: usize,
    /// Most sites watched at once, over all files.
    pub max_sites: usize,
    /// Whether the sites of a file share a link, if the kernel supports it (Linux 6.6).
    pub shared_links: bool,
    /// Most concurrent inspections of client files, including those that hang.
    pub max_looks: usize,
    /// Most attachments watched at once. The kernel reserves memory for them at the start.
    pub max_attachments: u32,
    /// Most callers blocked at once, over all sessions. The kernel reserves memory for them at the
    /// start.
    pub max_blocked: u32,
    /// Most threads of a client that the probe checks. A client with more threads is not proven
    /// visible.
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
