//! `[dpdk]`.

use serde::{Deserialize, Serialize};

/// Whether DPDK uses hugepages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Hugepages {
    /// Use them if enough are free at the start.
    #[default]
    Auto,
    /// Use them, or fail to start.
    Require,
    /// Do not use them.
    Never,
}

/// `[dpdk]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dpdk {
    /// Hugepage use.
    pub hugepages: Hugepages,
    /// Memory without hugepages, in MiB.
    pub memory_mb: u32,
    /// Probe PCI devices.
    pub pci: bool,
    /// Further EAL arguments.
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
