//! `[dpdk]`.

use serde::{Deserialize, Serialize};

/// Whether hugepages are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Hugepages {
    /// If enough are free at the start.
    #[default]
    Auto,
    /// Or the daemon does not start.
    Require,
    /// No.
    Never,
}

/// `[dpdk]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dpdk {
    /// Hugepages.
    pub hugepages: Hugepages,
    /// Memory without hugepages, MiB.
    pub memory_mb: u32,
    /// Probe PCI devices.
    pub pci: bool,
    /// Further arguments for the EAL.
    pub extra_args: Vec<String>,
}

impl Default for Dpdk {
    fn default() -> Self {
        Self {
            hugepages: Hugepages::Auto,
            memory_mb: 512,
            pci: false,
            extra_args: Vec::new(),
        }
    }
}
