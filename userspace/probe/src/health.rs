//! State and numbers of the probe.

/// Whether the probe is trustworthy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// The last self-test passed and nothing hangs.
    Watching,
    /// It is not trustworthy.
    Blind {
        /// The cause, for people.
        reason: String,
    },
    /// There is no probe. A probe never reports it; a daemon without a probe does.
    Off,
}

/// Numbers and state of the probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Whether it is trustworthy.
    pub state: State,
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

impl Health {
    /// For a daemon without a probe.
    pub fn off() -> Self {
        Self {
            state: State::Off,
            programs: 0,
            links: 0,
            detaching: 0,
            shared_links: false,
            files: 0,
            waiters: 0,
            stats: Vec::new(),
            ring_overruns: 0,
            lost: 0,
        }
    }
}
