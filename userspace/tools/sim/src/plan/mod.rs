//! Deeds of a life, apart from the order of the steps: the processes, and the faults that they meet.

mod adversity;
mod narrow;
mod theme;

use onair_ipc::label::LABELS;
use onair_ipc::layout::OWN_SLOTS;
use onair_session::shutdown::Remedy;
use onair_sim_kernel::{Memory, Random};

/// One deed, some time after the one before.
#[derive(Clone, Copy, Debug)]
pub struct Deed {
    /// Pause before it, ns.
    pub after: u64,
    /// The deed.
    pub kind: DeedKind,
    /// To which session.
    pub session: usize,
    /// To which of its clients, or threads: reduced to what there is.
    pub which: usize,
}

/// A deed.
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
    /// Kill two threads of one process together.
    KillTwoThreads,
    /// A signal for one thread, whose handler stops the session for its process.
    SignalStop,
    /// A signal for one thread, whose handler makes a call that does not wait.
    SignalCall,
    /// A runtime comes back although the session's is here.
    StrayRuntime,
    /// The poller dies.
    KillPoller,
    /// The poller does nothing for long.
    HangPoller,
    /// Stop the session, and start it at once, perhaps with a new client in between.
    Bounce,
    /// Flush the session.
    Flush,
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
    /// Whether its threads keep frames without a guard, and pass them on.
    pub passes_on: bool,
    /// Whether its threads call again although the session is stopped.
    pub spins: bool,
    /// How many of its slots other threads have: when none is left, threads share one.
    pub taken_slots: u16,
    /// Whether its threads sometimes keep a frame for long.
    pub is_slow: bool,
}

/// One session.
#[derive(Clone, Debug)]
pub struct SessionPlan {
    /// Its clients.
    pub clients: Vec<ClientPlan>,
    /// Whether its clients fill the frames.
    pub sends: bool,
    /// Its place in the shutdown.
    pub priority: u8,
}

/// A caller dies where it passes a label.
#[derive(Clone, Copy, Debug)]
pub struct Death {
    /// The label.
    pub label: &'static str,
    /// At which pass, of all callers.
    pub pass: u32,
    /// With all threads of its process.
    pub is_of_process: bool,
    /// How many callers die so, one after the other.
    pub times: u32,
}

/// How all sessions end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The operator destroys them.
    OneByOne,
    /// The daemon is told to exit.
    Shutdown {
        /// Remedy for sessions that stay in use.
        remedy: Remedy,
        /// How long users may take to leave, ns.
        grace: u64,
        /// A second signal comes so long after the first, ns.
        forced_after: Option<u64>,
    },
}

/// A whole life.
#[derive(Clone, Debug)]
pub struct Plan {
    /// All chance comes from it.
    pub seed: u64,
    /// The sessions.
    pub sessions: Vec<SessionPlan>,
    /// The deeds, in order.
    pub deeds: Vec<Deed>,
    /// So many of the deeds come when the end has begun.
    pub late: usize,
    /// For so long from then on no process is ended because it is in the way, ns.
    pub patience: u64,
    /// Of 256 steps, so many leave the processor to the task that made them.
    pub stay: u8,
    /// Of 65,536 steps, so many are followed by a time in which their task makes none.
    pub stalls: u16,
    /// Of 256 picks the poller declines so many.
    pub poller_slowness: u8,
    /// Longest delay of a message of the kernel or a helper, ns.
    pub delay: u64,
    /// Longest pause between two frames, ns.
    pub frame_pause: u64,
    /// Whether the end waits for its turn.
    pub in_turn: bool,
    /// A caller that dies at a label.
    pub death: Option<Death>,
    /// Each session's gate has counted so many starts that its value begins anew.
    pub has_old_gates: bool,
    /// How long the exit's remedy may take, ns.
    pub quiesce: u64,
    /// How it ends.
    pub end: End,
    /// Its adversity.
    pub adversity: Adversity,
}

/// Longest pauses before a deed, ns; the longest comes twice as often.
const PAUSES: [u64; 7] = [1, 100, 2_000, 20_000, 200_000, 3_000_000, 3_000_000];

/// Whatever is false, empty or 0 does not happen.
#[derive(Clone, Debug, Default)]
pub struct Adversity {
    /// Labels at which callers stall.
    pub slow_at: Vec<&'static str>,
    /// Of 256 wake-ups so many take a while.
    pub late_wakes: u8,
    /// Of 256 times that a task with a withheld store leaves the processor, so many are long.
    pub withholds: u8,
    /// At this label signals come, whose handlers stall before and after a call.
    pub handler_at: Option<&'static str>,
    /// Whether threads end when they are refused, and others that know nothing of them take their slots.
    pub has_pool: bool,
    /// Whether clients that left forget the frames that they keep.
    pub forgets: bool,
    /// Whether a client that hangs up leaves at once.
    pub leaves_at_once: bool,
    /// Whether threads die while a helper looks at them.
    pub dies_when_asked: bool,
    /// Whether a client without quota loses its oldest unread frame.
    pub drops_unread: bool,
    /// Whether threads that are refused look at their process's descriptor.
    pub watches: bool,
    /// Whether hostile clients give frames back under other serials.
    pub forges: bool,
    /// Whether frames are received, and filled, while clients have them.
    pub takes_open: bool,
    /// At this label a thread waits for another one of its process, and both go on at the same time.
    pub meets_at: Option<&'static str>,
    /// Of 256 system calls of a client so many are followed by a stall.
    pub slow_calls: u8,
    /// Memory model of the life.
    pub memory: Memory,
    /// Whether threads that spin do so for long.
    pub insists: bool,
    /// Whether half of all calls are for events.
    pub polls_on: bool,
    /// Whether no call waits, and the next one follows at once.
    pub hurries: bool,
    /// Whether each call that waits has a deadline soon.
    pub is_brief: bool,
    /// Whether each frame is kept for long.
    pub lingers: bool,
}

impl Plan {
    /// The life of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0x0a1a_5eed);
        let mut below = |limit: u64| usize::try_from(random.below(limit)).unwrap_or(0);
        let sessions = [1, 1, 1, 2, 2, 3][below(6)];
        let is_hostile = below(4) == 0;
        let is_blind = below(6) == 0;
        let stalls = [0, 0, 30, 600][below(4)];
        // Each look at many slots has many steps.
        let most_slots = if stalls < 600 { OWN_SLOTS - 1 } else { 0 };
        let sessions: Vec<SessionPlan> = (0..sessions)
            .map(|_| SessionPlan {
                clients: {
                    let clients = [1, 1, 2, 2, 3][below(5)];
                    let client = |_| client(&mut below, is_hostile, is_blind, most_slots);
                    (0..clients).map(client).collect()
                },
                sends: below(5) == 0,
                priority: [10, 50, 50, 90][below(4)],
            })
            .collect();
        let only = below(4);
        let longest = [PAUSES[3], 0, 0, 0][below(4)];
        let deeds = (0..below(12)).map(|_| deed(&mut below, only, longest, sessions.len()));
        let deeds = deeds.collect();
        let mut plan = Self {
            seed,
            sessions,
            deeds,
            late: [0, 0, 2, 5][below(4)],
            patience: [0, 0, 0, 100_000_000][below(4)],
            stay: [0, 64, 128, 200, 240][below(5)],
            stalls,
            poller_slowness: [0, 0, 128, 250][below(4)],
            delay: [1, 1_000, 50_000, 2_000_000][below(4)],
            frame_pause: [1, 5_000, 100_000, 2_000_000][below(4)],
            in_turn: below(2) == 0,
            death: (below(4) == 0).then(|| death(&mut below)),
            has_old_gates: below(8) == 0,
            quiesce: [5_000_000_000, 200_000_000][below(2)],
            end: match below(2) {
                0 => End::OneByOne,
                _ => End::Shutdown {
                    remedy: [Remedy::Abandon, Remedy::Evict, Remedy::Quarantine][below(3)],
                    grace: [0, 50_000_000, 400_000_000, 2_000_000_000][below(4)],
                    forced_after: (below(4) == 0).then(|| {
                        let longest = [100_000, 10_000_000, 1_000_000_000][below(3)];
                        below(longest) as u64
                    }),
                },
            },
            adversity: Adversity::default(),
        };
        Adversity::add_to(&mut plan);
        plan
    }

    /// Deeds that together need little time, somewhere between the others.
    pub(crate) fn add_burst(&mut self, below: &mut dyn FnMut(u64) -> usize) {
        use DeedKind::*;
        let kinds: &[DeedKind] = match below(7) {
            0 => &[Bounce, Bounce, Bounce],
            1 => &[Verdict, Quarantine, KillProcess, KillProcess, KillProcess],
            2 => &[LookForDead, KillThread, LookForDead, LookForDead],
            3 => &[Flush, KillPoller],
            4 => &[HangUp, Bounce],
            5 => &[Evict, Verdict],
            _ => &[Stop, KillTwoThreads, Start],
        };
        let session = below(self.sessions.len() as u64);
        let longest = [1, 3_000, 100_000][below(3)];
        let at = below(self.deeds.len() as u64 + 1);
        let burst = kinds.iter().map(|kind| Deed {
            after: below(longest) as u64,
            kind: *kind,
            session,
            which: 2 * below(32),
        });
        let burst: Vec<Deed> = burst.collect();
        self.deeds.splice(at..at, burst);
    }

    /// A poller does nothing for longer than the exit's remedy may take.
    pub(crate) fn hang_amid_the_exit(&mut self, below: &mut dyn FnMut(u64) -> usize) {
        let after = below(1_000) as u64;
        self.deeds.push(Deed {
            after,
            kind: DeedKind::HangPoller,
            session: below(self.sessions.len() as u64),
            which: 2,
        });
        (self.late, self.quiesce) = (0, 200_000_000);
        self.end = End::Shutdown {
            remedy: Remedy::Evict,
            grace: 0,
            forced_after: None,
        };
    }
}

fn client(
    below: &mut dyn FnMut(u64) -> usize,
    is_hostile: bool,
    is_blind: bool,
    most_slots: u16,
) -> ClientPlan {
    ClientPlan {
        threads: [1, 2, 2, 3, 5][below(5)],
        manners: match below(6) {
            0 if is_hostile => Manners::Scribbles,
            1 if is_hostile => Manners::Holds,
            _ => Manners::Honest,
        },
        is_watched: !is_blind || below(2) == 0,
        is_plain: below(2) == 0,
        comes_later: below(8) == 0,
        passes_on: below(4) == 0,
        spins: below(4) == 0,
        taken_slots: [0, 0, 0, most_slots][below(4)],
        is_slow: below(6) == 0,
    }
}

/// `longest`: of all pauses; 0: each has its own.
fn deed(below: &mut dyn FnMut(u64) -> usize, only: usize, longest: u64, sessions: usize) -> Deed {
    Deed {
        after: {
            let own = PAUSES[below(PAUSES.len() as u64)];
            below(if longest > 0 { longest } else { own }) as u64
        },
        kind: match (only, below(32)) {
            (_, 0..=2) => DeedKind::Stop,
            (_, 3..=5) => DeedKind::Start,
            (_, 6) => DeedKind::Verdict,
            (_, 7) => DeedKind::DestroyWait,
            (_, 24 | 25) => DeedKind::SignalStop,
            (_, 26) => DeedKind::SignalCall,
            (_, 27) => DeedKind::Flush,
            (0, 8..=15) => DeedKind::Bounce,
            (0, _) => DeedKind::Stop,
            (3, 8 | 9) => DeedKind::HangPoller,
            (3, 10 | 11) => DeedKind::KillPoller,
            (3, 12..=14) => DeedKind::StrayRuntime,
            (3, 15..=17) => DeedKind::Flush,
            (3, 18..=20) => DeedKind::Evict,
            (3, 21) => DeedKind::Detach,
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
            (1, 28 | 29) => DeedKind::KillTwoThreads,
            (_, 30) => DeedKind::StrayRuntime,
            (1, 31) => DeedKind::KillPoller,
            _ => DeedKind::Attach,
        },
        session: below(sessions as u64),
        which: below(64),
    }
}

fn death(below: &mut dyn FnMut(u64) -> usize) -> Death {
    let passed: Vec<_> = reached().collect();
    Death {
        label: passed[below(passed.len() as u64)],
        pass: [1, 2, 5, 40][below(4)],
        is_of_process: below(2) == 0,
        times: 1,
    }
}

/// The labels that a caller of a life can pass.
pub fn reached() -> impl Iterator<Item = &'static str> {
    let is_elsewhere = |label: &&str| {
        let parts = [
            "attach.", "request.", "create.", "detach.", "drop.", "watch.",
        ];
        parts.iter().any(|part| label.starts_with(part)) || *label == "leave.hung_up"
    };
    LABELS.into_iter().filter(move |label| !is_elsewhere(label))
}
