//! Configuration of a probe.

use std::time::Duration;

use onair_shares::{Percent, Share};

/// Limits of a probe and the daemon's own site.
#[derive(Clone, Copy, Debug)]
pub struct ProbeConfig {
    /// Most threads blocked at the same time, over all sessions. At least the sum of all user
    /// slots: beyond it waits are counted as lost and no verdict passes.
    pub max_waiters: u32,
    /// Most attachments, and most client processes, registered at the same time.
    pub max_attachments: u32,
    /// Most client files watched at the same time.
    pub max_files: usize,
    /// Most sites watched at the same time, over all files. Without `shared_links` each holds a
    /// descriptor and makes the exit of this process about 0.1 s slower.
    pub max_site_links: usize,
    /// Most concurrent checks of clients' files, each on its own thread. A hanging check counts
    /// until it returns.
    pub max_looks: usize,
    /// Reserved parts of files, sites and checks, and the shares of one user and one process.
    pub percent: Percent,
    /// Whether a file's sites share one link for each kind, if the kernel supports it (Linux 6.6).
    pub shared_links: bool,
    /// Longest time to arm a client.
    pub arm_deadline: Duration,
    /// Most threads of a client; a client with more is not proven to be seen.
    pub max_threads: usize,
    /// Longest time to check one client's threads.
    pub look_time: Duration,
    /// If attaching to a file takes longer, the probe is blind.
    pub slow: Duration,
    /// Passes (session, argument) through this process's own probe sites.
    pub own_site: fn(session: u64, argument: u64),
    /// Inode number of the pid namespace that `ns_*` numbers are for. 0: the first
    /// one. `None`: this process's own.
    pub daemon_pidns_inum: Option<u32>,
}

impl ProbeConfig {
    /// Limits for a daemon of a few dozen clients.
    pub fn new(own_site: fn(session: u64, argument: u64)) -> Self {
        Self {
            max_waiters: 16_384,
            max_attachments: 4096,
            max_files: 64,
            max_site_links: 256,
            max_looks: 64,
            percent: Percent::NO_SHARES,
            shared_links: true,
            arm_deadline: Duration::from_secs(5),
            max_threads: 4096,
            look_time: Duration::from_millis(250),
            slow: Duration::from_secs(1),
            own_site,
            daemon_pidns_inum: None,
        }
    }

    pub(crate) fn files(&self) -> Share {
        Share::new(
            "watched files",
            "probe.max_files",
            self.max_files,
            self.percent,
        )
    }

    pub(crate) fn sites(&self) -> Share {
        let what = "sites in watched files";
        Share::new(what, "probe.max_sites", self.max_site_links, self.percent)
    }

    pub(crate) fn looks(&self) -> Share {
        let what = "looks at clients' files under way";
        Share::new(what, "probe.max_looks", self.max_looks, self.percent)
    }
}
