//! The state of one session, in parts, and the turn in which they handle an event.
//!
//! | part | owns | changed in |
//! |---|---|---|
//! | [`Life`] | lifecycle with the runtime, runs, audit, memory left behind, rescans | each file, through [`Turn`] |
//! | [`Clients`] | attached, leaving and evicted clients | `clients/admission.rs`, `leaving.rs`, `evicting.rs` |
//! | [`DeadThreads`] | which looks at threads are due, requests for credit | `clients/dead_threads.rs` |
//! | [`SiteSchedule`] | when sites are looked at, and since when an answer counts | `clients/leaving.rs` |
//! | [`Flushes`] | open flushes | `flushes.rs` |
//! | [`Warnings`] | when to warn that users remain | `warnings.rs` |
//!
//! `dispatch.rs` gives an event to the part that it concerns, with the turn: the facts, what may be asked
//! ([`Asking`]), the session's life, and the effects so far. What concerns several parts is a method of [`Parts`],
//! which has the order: at a hand-back flushes are settled before the runtime can start again, evictions before
//! departures.
//!
//! A part decides nothing about the session's end. The examination that follows, at once or with others at the end
//! of the turn ([`Effect::Examine`]), sees what all parts did (`ending/drain.rs`): a part that destroyed by itself
//! would do so while the others are half settled.
//!
//! [`Effect::Examine`]: crate::Effect::Examine

pub(crate) mod asking;
pub(crate) mod audit;
pub(crate) mod clients;
pub(crate) mod flushes;
pub(crate) mod life;
pub(crate) mod rescan;
pub(crate) mod trace;
pub(crate) mod turn;
pub(crate) mod warnings;

use std::time::Instant;

use onair_api::{
    Direction, Operation, Reading, Says, SessionId, SessionName, SessionState, Verdict, Who,
};
use onair_ipc::frames::FrameMemory;
use serde::{Deserialize, Serialize};

use self::clients::Clients;
use self::clients::attachment::Attachment;
use self::clients::site_looks::SiteSchedule;
use self::clients::thread_looks::DeadThreads;
use self::flushes::Flushes;
use self::life::Life;
use self::trace::Trace;
use self::warnings::Warnings;
use crate::boundary::facts::Evidence;
use crate::boundary::retired::RetiredMemory;
use crate::boundary::runtime::Runtime;
use crate::boundary::ticket::Ticket;
use crate::lifecycle::RuntimeHolder;

pub(crate) use self::turn::Turn;

/// The core of one session. `R` is the poller's half of it.
#[derive(Debug, Serialize, Deserialize)]
pub struct SessionCore<R> {
    pub(crate) life: Life<R>,
    pub(crate) parts: Parts,
    #[serde(skip)]
    pub(crate) trace: Trace,
}

/// State of a session beside its life. Each part owns a state and the code that changes it; what concerns several
/// parts is done here, in the order in which it must happen: stop and start, destroy, quarantine, verdicts.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Parts {
    /// Frames of a receive or local session, shared by its clients.
    pub(crate) frames: Option<FrameMemory>,
    pub(crate) clients: Clients,
    pub(crate) dead_threads: DeadThreads,
    pub(crate) flushes: Flushes,
    pub(crate) warnings: Warnings,
    pub(crate) site_schedule: SiteSchedule,
    /// Requesters of a verdict that wait for a look at sites.
    pub(crate) verdicts: Vec<Ticket<Verdict>>,
}

impl<R: Runtime> SessionCore<R> {
    /// A stopped session with `runtime`. A receive or local session has `frames`. It stops by itself at
    /// `expires_at`.
    pub fn new(
        id: SessionId,
        name: SessionName,
        direction: Direction,
        runtime: Box<R>,
        frames: Option<FrameMemory>,
        expires_at: Option<Instant>,
    ) -> Self {
        Self {
            life: Life::new(id, name, direction, runtime, expires_at),
            parts: Parts {
                frames,
                ..Parts::default()
            },
            trace: Trace::default(),
        }
    }

    /// When the session must get [`Event::Tick`](crate::Event::Tick).
    #[must_use]
    pub fn wake_at(&self) -> Option<Instant> {
        self.parts.wake_at(&self.life)
    }
}

/// Reads; nothing here changes the session.
impl<R: Runtime> SessionCore<R> {
    /// How far it is in its life.
    #[must_use]
    pub fn life(&self) -> &Life<R> {
        &self.life
    }

    /// The same, to be set when it continues the life of an earlier one.
    pub fn life_mut(&mut self) -> &mut Life<R> {
        &mut self.life
    }

    /// Its clients.
    #[must_use]
    pub fn clients(&self) -> &Clients {
        &self.parts.clients
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.life.id
    }

    /// The state, as the API names it.
    #[must_use]
    pub fn state(&self) -> SessionState {
        self.life.state()
    }

    /// Where the runtime is.
    #[must_use]
    pub fn place(&mut self) -> RuntimeHolder<&mut R> {
        match self.life.lifecycle.place() {
            RuntimeHolder::Here(runtime) => RuntimeHolder::Here(runtime),
            RuntimeHolder::Poller => RuntimeHolder::Poller,
            RuntimeHolder::Returning => RuntimeHolder::Returning,
        }
    }

    /// The runtime, if it is here.
    #[must_use]
    pub fn runtime(&self) -> Option<&R> {
        self.life.runtime()
    }

    /// Frames of a receive or local session, shared by its clients.
    #[must_use]
    pub fn frames(&self) -> Option<&FrameMemory> {
        self.parts.frames.as_ref()
    }

    /// Number of places that its clients take, of `max_attachments`.
    #[must_use]
    pub fn places_taken(&self) -> u64 {
        self.parts.clients.places(self.life.direction)
    }

    /// Whether the ends of threads of the process `tgid` (in the first pid namespace) may change something.
    #[must_use]
    pub fn follows_threads_of(&self, tgid: u32) -> bool {
        self.parts.clients.are_followed(&self.life, tgid)
    }

    /// Whether ends of threads that the probe reported are still to be settled.
    #[must_use]
    pub fn has_exits_to_settle(&self) -> bool {
        self.parts.dead_threads.has_exits(&self.parts.clients)
    }

    /// Number of threads inside a call plus attachments that hold frames. While a poller has the
    /// session, only the threads.
    #[must_use]
    pub fn users(&self) -> u64 {
        let inside: usize = self
            .parts
            .clients
            .memories()
            .map(|it| it.users().len())
            .sum();
        let lenders = self.runtime().into_iter().flat_map(Runtime::lenders);
        (inside + lenders.filter(|it| it.loaned() > 0).count()) as u64
    }

    /// All its memory.
    #[must_use]
    pub fn memory(&self) -> RetiredMemory {
        self.parts.memory(&self.life)
    }

    /// Size of all its memory, in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        self.memory().bytes()
    }

    /// Whether `mapping`, W4, finds a process that has some of its memory.
    pub fn is_mapped(&self, mapping: impl FnOnce(&RetiredMemory) -> Reading) -> bool {
        mapping(&self.memory()).says != Says::Zero
    }

    /// Warnings since the last stop, and whether users block the session now.
    #[must_use]
    pub fn warnings(&self) -> (u64, bool) {
        (self.parts.warnings.count(), self.parts.warnings.blocked())
    }

    /// Size of the frames that evicted senders and senders that left still have, in bytes, with the sender's user;
    /// a user may come several times.
    pub fn left_frame_bytes(&self) -> impl Iterator<Item = (u32, u64)> {
        let evicted = self.parts.clients.evicted.list.values();
        let evicted = evicted.map(|it| (it.attachment.who.uid, it.attachment.frames.as_ref()));
        let retired = self.life.retired.clients.iter();
        let all = evicted.chain(retired.map(|it| (it.uid, it.frames.as_ref())));
        all.filter_map(|(uid, frames)| Some((uid, frames?.len() as u64)))
    }
}

impl Parts {
    /// When something is due because time has passed.
    pub(crate) fn wake_at<R>(&self, life: &Life<R>) -> Option<Instant> {
        let Life {
            lifecycle,
            rescan,
            runs,
            ..
        } = life;
        // A session that is ready waits for its turn, also beyond the deadline.
        let deadline = lifecycle
            .destroy()
            .and_then(|destroy| destroy.deadline)
            .filter(|_| !rescan.is_ready);
        let times = [
            rescan.at,
            self.dead_threads.exits.0,
            self.site_schedule.again.0,
            self.warnings.at(),
            self.clients.evicted.wake_at(),
            self.flushes.wake_at(),
            runs.expiry.0,
            deadline,
        ];
        times.into_iter().flatten().min()
    }

    /// All memory of the session that W4 is asked about.
    pub(crate) fn memory<R>(&self, life: &Life<R>) -> RetiredMemory {
        let mut clients = life.retired.clients.clone();
        clients.extend(self.clients.holders().map(Attachment::retired));
        let own = self.frames.iter().cloned().collect();
        RetiredMemory { clients, own }
    }

    /// Whether it has a user, according to the slots, the loans, the ledger, or the kernel.
    pub(crate) fn is_used<R: Runtime>(&self, turn: &Turn<R>) -> bool {
        let view = turn.view;
        let is_blocked = |number: &u64| !self.clients.is_evicted(*number);
        self.clients.memories().any(|it| view.is_in_use(it))
            || view.blocked().iter().any(is_blocked)
            || turn.life.loaned(view).is_some_and(|loaned| loaned > 0)
    }
}

/// The request that an evidence is for.
pub(crate) struct Issue {
    pub(crate) operation: Operation,
    pub(crate) deadline_ms: Option<u64>,
    pub(crate) requester: Who,
    pub(crate) readings: Vec<Reading>,
}

impl Issue {
    /// The content of the certificate.
    pub(crate) fn evidence<R: Runtime>(self, parts: &Parts, turn: &Turn<R>) -> Box<Evidence> {
        let Life { runs, audit, .. } = &*turn.life;
        Box::new(Evidence {
            operation: self.operation,
            deadline_ms: self.deadline_ms,
            requester: self.requester,
            generation: runs.generation,
            stopped_before: audit.stopped_before.clone(),
            steps: audit.steps(),
            readings: self.readings,
            reconciled: audit.reconciled.clone(),
            evicted: audit.evicted.clone(),
            disagreements: audit.disagreements.clone(),
            counts: turn.life.counts(turn.view),
            bytes: parts.memory(turn.life).bytes(),
            held_by: parts.clients.holders().map(|it| it.who.pid).collect(),
        })
    }
}
