//! Identity of this daemon.

use onair_api::{Timestamp, Versions, Via, Who};

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

impl Identity {
    /// Reads the other fields from the kernel.
    pub fn of_this_process(incarnation: u32, dpdk: String) -> Self {
        let read = |path: &str| {
            std::fs::read_to_string(path)
                .map(|text| text.trim().to_owned())
                .unwrap_or_default()
        };
        Self {
            incarnation,
            boot_id: read("/proc/sys/kernel/random/boot_id"),
            versions: Versions {
                onaird: env!("CARGO_PKG_VERSION").into(),
                dpdk,
                kernel: read("/proc/sys/kernel/osrelease"),
            },
            started_at: Timestamp::now(),
        }
    }
}

/// The daemon, as the requester of what it does by itself; `pid` 0: of no process in particular.
pub fn this_daemon(pid: u32) -> Who {
    Who {
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
        pid,
        command: "onaird".into(),
        via: Via::Daemon,
    }
}
