//! State and numbers of the probe.

use crate::error::Blind;

/// Numbers and state of the probe.
#[derive(Debug)]
pub struct Health {
    /// Whether it is trustworthy: the last self-test passed and nothing hangs.
    pub state: Result<(), Blind>,
    /// Programs in the kernel.
    pub programs: usize,
    /// Watched sites.
    pub links: usize,
    /// Links being dropped in the background.
    pub detaching: usize,
    /// Whether the sites of a file share one link for each kind (`uprobe.multi`).
    pub shared_links: bool,
    /// Watched files.
    pub files: usize,
    /// Blocked threads, over all sessions.
    pub waiters: usize,
    /// Counters of the programs, by name.
    pub stats: Vec<(&'static str, u64)>,
    /// Events lost because the ring was full.
    pub ring_overruns: u64,
    /// Blocked threads that are missing from the full map, at present.
    pub lost: u64,
}
