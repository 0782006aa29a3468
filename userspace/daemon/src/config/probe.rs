//! `[probe]`: the eBPF probe.

use onair_api::ProbeMode;
use serde::Deserialize;

/// `[probe]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProbeSection {
    /// Whether no attach and no destroy passes without it.
    pub mode: ProbeMode,
    /// Most files of clients watched at a time.
    pub max_files: usize,
}

impl Default for ProbeSection {
    fn default() -> Self {
        Self {
            mode: ProbeMode::Required,
            max_files: 64,
        }
    }
}
