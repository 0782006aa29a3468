//! What happens in a life, apart from the order of the steps: who is there, and what is done to them.

use onair_sim_kernel::Random;

/// One deed, some time after the one before.
#[derive(Clone, Copy, Debug)]
pub struct Deed {
    /// Pause before it, ns.
    pub after: u64,
    /// What is done.
    pub kind: DeedKind,
    /// To which session.
    pub session: usize,
    /// To which of its clients, or threads: reduced to what there is.
    pub which: usize,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeedKind {
    /// Start the session.
    Start,
    /// Stop it.
    Stop,
    /// Destroy it now, or not at all.
    Destroy,
    /// Destroy it, and wait for its users for a time.
    DestroyWait,
    /// Evict all clients and destroy it.
    Abort,
    /// Close it with its users inside.
    Quarantine,
    /// Evict one client.
    Evict,
    /// Evict all.
    EvictAll,
    /// Ask for the verdict.
    Verdict,
    /// Kill one thread.
    KillThread,
    /// Kill one process.
    KillProcess,
    /// One client detaches.
    Detach,
    /// One client's connection closes; its process lives on.
    HangUp,
    /// The probe loses the next events.
    LoseEvents,
    /// Once a second: look for dead threads.
    LookForDead,
    /// A new client attaches.
    Attach,
    /// One client stops for itself, and starts again.
    Pause,
    /// The daemon is killed.
    KillDaemon,
}

/// How a client behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manners {
    /// It follows the protocol.
    Honest,
    /// It writes anything into its own words.
    Scribbles,
    /// It holds frames for ever, and detaches with them, twice.
    Holds,
}

/// One client.
#[derive(Clone, Copy, Debug)]
pub struct ClientPlan {
    /// Threads that make calls.
    pub threads: usize,
    /// How it behaves.
    pub manners: Manners,
    /// Whether the probe watches it.
    pub is_watched: bool,
    /// Whether its callers count with plain stores.
    pub is_plain: bool,
    /// Whether it is there only once it attaches.
    pub comes_later: bool,
}

/// A whole life.
#[derive(Clone, Debug)]
pub struct Plan {
    /// All chance comes from it.
    pub seed: u64,
    /// The clients of each session.
    pub sessions: Vec<Vec<ClientPlan>>,
    /// The deeds, in order.
    pub deeds: Vec<Deed>,
    /// Of 256 steps, so many leave the processor to the task that made them.
    pub stay: u8,
    /// Of 256 picks the poller declines so many.
    pub poller_slowness: u8,
    /// Longest delay of a message of the kernel or a helper, ns.
    pub delay: u64,
    /// Longest pause between two frames, ns.
    pub frame_pause: u64,
    /// Whether the end waits for its turn.
    pub in_turn: bool,
}

const PAUSES: [u64; 5] = [100, 2_000, 20_000, 200_000, 3_000_000];

impl Plan {
    /// The life of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0x0a1a_5eed);
        let mut below = |limit: u64| usize::try_from(random.below(limit)).unwrap_or(0);
        let sessions = [1, 1, 1, 2, 2, 3][below(6)];
        let is_hostile = below(4) == 0;
        let is_blind = below(6) == 0;
        let sessions: Vec<Vec<ClientPlan>> = (0..sessions)
            .map(|_| {
                let clients = [1, 1, 2, 2, 3][below(5)];
                (0..clients)
                    .map(|_| ClientPlan {
                        threads: [1, 2, 2, 3][below(4)],
                        manners: match below(6) {
                            0 if is_hostile => Manners::Scribbles,
                            1 if is_hostile => Manners::Holds,
                            _ => Manners::Honest,
                        },
                        is_watched: !is_blind || below(2) == 0,
                        is_plain: below(2) == 0,
                        comes_later: below(8) == 0,
                    })
                    .collect()
            })
            .collect();
        let only = below(3);
        let deeds = (0..below(12))
            .map(|_| Deed {
                after: {
                    let longest = PAUSES[below(5)];
                    below(longest) as u64
                },
                kind: match (only, below(24)) {
                    (_, 0..=2) => DeedKind::Stop,
                    (_, 3..=5) => DeedKind::Start,
                    (_, 6) => DeedKind::Verdict,
                    (_, 7) => DeedKind::DestroyWait,
                    (0, _) => DeedKind::Stop,
                    (1, 8..=11) | (_, 8) => DeedKind::KillThread,
                    (1, 12..=15) | (_, 12) => DeedKind::KillProcess,
                    (_, 9) => DeedKind::Destroy,
                    (_, 10) => DeedKind::Abort,
                    (_, 11) => DeedKind::Quarantine,
                    (_, 13 | 14) => DeedKind::Evict,
                    (_, 15) => DeedKind::EvictAll,
                    (_, 16 | 17) => DeedKind::Detach,
                    (_, 18) => DeedKind::HangUp,
                    (_, 19) => DeedKind::LoseEvents,
                    (_, 20) => DeedKind::LookForDead,
                    (_, 21) => DeedKind::Pause,
                    (1, 22) => DeedKind::KillDaemon,
                    _ => DeedKind::Attach,
                },
                session: below(sessions.len() as u64),
                which: below(64),
            })
            .collect();
        Self {
            seed,
            sessions,
            deeds,
            stay: [0, 64, 128, 200, 240][below(5)],
            poller_slowness: [0, 0, 128, 250][below(4)],
            delay: [1, 1_000, 50_000, 2_000_000][below(4)],
            frame_pause: [1, 5_000, 100_000, 2_000_000][below(4)],
            in_turn: below(2) == 0,
        }
    }
}
