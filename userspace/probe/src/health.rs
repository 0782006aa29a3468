//! What the probe says of itself.

/// Whether the probe can be believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// The last self-test passed and nothing hangs.
    Watching,
    /// It cannot be believed.
    Blind {
        /// For people.
        reason: String,
    },
    /// There is no probe. Never said by a probe; for those who run without.
    Off,
}

/// Numbers and state of the probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Whether it can be believed.
    pub state: State,
    /// Programs in the kernel.
    pub programs: usize,
    /// Sites that are watched.
    pub links: usize,
    /// Links that are being let go in the background.
    pub detaching: usize,
    /// Whether the sites of a file share a link for each kind (`uprobe.multi`), not one each.
    pub shared_links: bool,
    /// Files that are watched.
    pub files: usize,
    /// Threads that are blocked, over all sessions.
    pub waiters: usize,
    /// Counters of the programs, by name.
    pub stats: Vec<(&'static str, u64)>,
    /// Events that found no room in the ring.
    pub ring_overruns: u64,
    /// Threads that are blocked and found no room in the map, now.
    pub lost: u64,
}

impl Health {
    /// Of a daemon that runs without a probe.
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
