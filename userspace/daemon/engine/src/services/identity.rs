//! Identity of this daemon.

use onair_api::{Timestamp, Versions};

/// Identity of this daemon.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The high half of every session id that it issues: Unix seconds at its start, or more.
    pub incarnation: u32,
    /// The kernel's boot id.
    pub boot_id: String,
    /// Versions of the daemon, DPDK and the kernel.
    pub versions: Versions,
    /// When the daemon started.
    pub started_at: Timestamp,
}
