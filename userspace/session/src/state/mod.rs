//! The state of one session: what there is of it, what it reads, and one event being handled.
//!
//! Not here: what an event changes.

pub(crate) mod asking;
pub(crate) mod audit;
pub(crate) mod clients;
pub(crate) mod flushes;
pub(crate) mod rescan;
pub(crate) mod runs;
pub(crate) mod trace;
pub(crate) mod warnings;

use std::time::Instant;

use onair_api::{
    Direction, Problem, ProblemCode, Reading, Reconciled, Says, SessionId, SessionName,
    SessionState, Step, StoppedBefore, Timestamp, Verdict,
};
use onair_ipc::frames::FrameMemory;
use serde::{Deserialize, Serialize};

use self::asking::Asking;
use self::audit::Audit;
use self::clients::Clients;
use self::clients::attachment::Attachment;
use self::clients::evicted::EvictedClient;
use self::clients::site_looks::SiteSchedule;
use self::flushes::Flushes;
use self::rescan::{Due, Rescan};
use self::runs::Runs;
use self::trace::Trace;
use self::warnings::Warnings;
use crate::boundary::effect::Effects;
use crate::boundary::event::Destroy;
use crate::boundary::facts::Facts;
use crate::boundary::note::Note;
use crate::boundary::retired::RetiredMemory;
use crate::boundary::runtime::Runtime;
use crate::boundary::ticket::Ticket;
use crate::boundary::view::Moment;
use crate::lifecycle::{Lifecycle, Place, Refusal};

/// The core of one session. `R` is the poller's half of it.
#[derive(Debug, Serialize, Deserialize)]
pub struct SessionCore<R> {
    pub(crate) id: SessionId,
    pub(crate) name: SessionName,
    pub(crate) direction: Direction,
    pub(crate) runs: Runs,
    pub(crate) lifecycle: Lifecycle<Box<R>, Destroy, Ticket<onair_api::SessionView>>,
    /// Frames of a receive session, shared by its readers.
    pub(crate) frames: Option<FrameMemory>,
    pub(crate) clients: Clients,
    pub(crate) flushes: Flushes,
    pub(crate) retired: RetiredMemory,
    pub(crate) audit: Audit,
    pub(crate) rescan: Rescan,
    pub(crate) warnings: Warnings,
    pub(crate) site_schedule: SiteSchedule,
    /// Requesters of a verdict that wait for a look at sites.
    pub(crate) verdicts: Vec<Ticket<Verdict>>,
    #[serde(skip)]
    pub(crate) trace: Trace,
}

/// One event being handled: what is known and seen, and what is to be done.
pub(crate) struct Turn<'a, R> {
    pub(crate) facts: Facts,
    pub(crate) view: Asking<'a>,
    pub(crate) effects: Effects<R>,
}

impl<R> Turn<'_, R> {
    /// When the event is handled: one time for all that it decides.
    pub(crate) fn now(&self) -> Instant {
        self.facts.now
    }

    /// The moment of a step or a reading.
    pub(crate) fn moment(&self) -> Moment {
        self.view.moment()
    }
}

impl<R: Runtime> SessionCore<R> {
    /// A stopped session with `runtime`. A receive session has `frames`. It stops by itself at
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
            id,
            name,
            direction,
            runs: Runs {
                generation: 0,
                stopped_at: None,
                expiry: Due(expires_at),
            },
            lifecycle: Lifecycle::new(runtime),
            frames,
            clients: Clients::default(),
            flushes: Flushes::default(),
            retired: RetiredMemory::default(),
            audit: Audit::default(),
            rescan: Rescan::default(),
            warnings: Warnings::default(),
            site_schedule: SiteSchedule::default(),
            verdicts: Vec::new(),
            trace: Trace::default(),
        }
    }

    /// When the session must get [`Event::Tick`].
    #[must_use]
    pub fn wake_at(&self) -> Option<Instant> {
        let deadline = self
            .lifecycle
            .destroy()
            .and_then(|destroy| destroy.deadline)
            .filter(|_| !self.rescan.is_ready);
        let times = [
            self.rescan.at,
            self.rescan.exits.0,
            self.site_schedule.again.0,
            self.warnings.at(),
            self.clients.evicted.wake_at(),
            self.flushes.wake_at(),
            self.runs.expiry.0,
            deadline,
        ];
        times.into_iter().flatten().min()
    }

    /// The problem that tells the requester why the session's state refuses.
    pub(crate) fn refusal(&self, refusal: Refusal) -> Problem {
        let (code, what) = match refusal {
            Refusal::Running => (ProblemCode::Running, "is running"),
            Refusal::Starting => (ProblemCode::Running, "is being started"),
            Refusal::Draining => (ProblemCode::Draining, "is being destroyed"),
            Refusal::Quarantined => (ProblemCode::Quarantined, "is quarantined"),
            Refusal::Destroyed => (ProblemCode::StaleSession, "was destroyed"),
        };
        Problem::new(code, format!("session {} {what}", self.name))
    }

    /// Reports what was settled for users that could not settle it themselves.
    pub(crate) fn note_reconciled(
        turn: &mut Turn<'_, R>,
        settled: impl IntoIterator<Item = Reconciled>,
    ) {
        for reconciled in settled {
            turn.effects.note(Note::Reconciled { reconciled });
        }
    }
}

/// Reads; nothing here changes the session.
impl<R: Runtime> SessionCore<R> {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// Number of starts, including those under earlier daemons.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.runs.generation
    }

    /// When it was stopped; `None` while it runs, and if it never ran.
    #[must_use]
    pub fn stopped_at(&self) -> Option<Timestamp> {
        self.runs.stopped_at
    }

    /// The state, as the API names it.
    #[must_use]
    pub fn state(&self) -> SessionState {
        match &self.lifecycle {
            Lifecycle::Running => SessionState::Running,
            Lifecycle::Stopping { .. } | Lifecycle::Stopped { .. } if self.runs.generation == 0 => {
                SessionState::Created
            }
            Lifecycle::Stopping { .. } | Lifecycle::Stopped { .. } => SessionState::Stopped,
            // A destroyed session is in no list any more.
            Lifecycle::Draining { .. } | Lifecycle::Destroyed => SessionState::Draining,
            Lifecycle::Quarantined { .. } => SessionState::Quarantined,
        }
    }

    /// Whether it was quarantined.
    #[must_use]
    pub fn is_quarantined(&self) -> bool {
        self.lifecycle.is_quarantined()
    }

    /// Whether it waits to be destroyed.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.lifecycle.destroy().is_some()
    }

    /// Where the runtime is.
    #[must_use]
    pub fn place(&mut self) -> Place<&mut R> {
        match self.lifecycle.place() {
            Place::Here(runtime) => Place::Here(runtime),
            Place::Poller => Place::Poller,
            Place::Returning => Place::Returning,
        }
    }

    /// The runtime, if it is here.
    #[must_use]
    pub fn runtime(&self) -> Option<&R> {
        self.lifecycle.runtime().map(|runtime| &**runtime)
    }

    /// The attachments, without evicted ones.
    pub fn attachments(&self) -> impl Iterator<Item = &Attachment> {
        self.clients.attached.values()
    }

    /// The attachment `number`, unless it was evicted.
    #[must_use]
    pub fn attachment(&self, number: u64) -> Option<&Attachment> {
        self.clients.attached.get(&number)
    }

    /// Evicted clients that still have something of the session.
    pub fn evicted_clients(&self) -> impl Iterator<Item = &EvictedClient> {
        self.clients.evicted.list.values()
    }

    /// Whether this attachment was evicted and still has something of the session.
    #[must_use]
    pub fn is_evicted(&self, number: u64) -> bool {
        self.clients.evicted.list.contains_key(&number)
    }

    /// All attachments that may have memory of the session mapped.
    pub fn holders(&self) -> impl Iterator<Item = &Attachment> {
        self.clients.holders()
    }

    /// Frames of a receive session, shared by its readers.
    #[must_use]
    pub fn frames(&self) -> Option<&FrameMemory> {
        self.frames.as_ref()
    }

    /// Words of clients that left while the session was stopped.
    #[must_use]
    pub fn retired(&self) -> &RetiredMemory {
        &self.retired
    }

    /// Number of places that its clients take, of `max_attachments`.
    #[must_use]
    pub fn places_taken(&self) -> u64 {
        self.clients.places(self.direction)
    }

    /// Whether a client has left that still takes a place: until its poller has handed its ledger
    /// back, and as long as the process has the memory.
    #[must_use]
    pub fn is_settling(&self) -> bool {
        self.clients.is_settling()
    }

    /// Whether the kernel process `tgid` (in the first pid namespace) is a client.
    #[must_use]
    pub fn has_client(&self, tgid: u32) -> bool {
        let mut watched = self.clients.attached.values().map(|it| it.watched);
        watched.any(|it| it == Some(tgid))
    }

    /// Number of threads inside a call plus attachments that hold frames. While a poller has the
    /// session, only the threads.
    #[must_use]
    pub fn users(&self) -> u64 {
        let inside: usize = self.clients.memories().map(|it| it.users().len()).sum();
        let lenders = self.runtime().into_iter().flat_map(Runtime::lenders);
        (inside + lenders.filter(|it| it.loaned() > 0).count()) as u64
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

    /// The steps since the last stop.
    #[must_use]
    pub fn steps(&self) -> Vec<Step> {
        self.audit.steps()
    }

    /// Warnings since the last stop, and whether users block the session now.
    #[must_use]
    pub fn warnings(&self) -> (u64, bool) {
        (self.warnings.count(), self.warnings.blocked())
    }

    /// Frames on loan by the ledgers; `None` while a poller has them.
    pub(crate) fn loaned(&self, view: Asking<'_>) -> Option<u64> {
        Some(view.loaned(self.runtime()?))
    }

    /// All memory of the session that W4 is asked about.
    pub(crate) fn memory(&self) -> RetiredMemory {
        let mut clients = self.retired.clients.clone();
        clients.extend(self.holders().map(Attachment::retired));
        let own = self.frames.iter().cloned().collect();
        RetiredMemory { clients, own }
    }

    /// Whether it has a user, according to the slots, the loans, the ledger, or the kernel.
    pub(crate) fn is_used(&self, view: Asking<'_>) -> bool {
        let is_blocked = |number: &u64| !self.is_evicted(*number);
        self.clients.memories().any(|it| view.is_in_use(it))
            || view.blocked().iter().any(is_blocked)
            || self.loaned(view).is_some_and(|loaned| loaned > 0)
    }
}

/// Settings.
impl<R: Runtime> SessionCore<R> {
    /// Continues counting from `generation`: the session existed before, and an earlier daemon
    /// stopped it as `stopped` says.
    pub fn continue_from(&mut self, generation: u64, stopped: Option<StoppedBefore>, now: Moment) {
        self.runs.generation = generation;
        self.runs.stopped_at = stopped.as_ref().map(|stopped| stopped.at);
        self.audit.restore(stopped, now);
    }
}
