//! A session: its state, its attachments, and the way from stop to destroyed.
//!
//! Every change of a session's state happens here, on the control thread; the actor calls it. The
//! poller's half of a session is the [`Runtime`], which is here exactly while no poller has it. Not
//! here: sockets, HTTP, waiting.

pub mod attachment;
mod audit;
pub mod blockers;
mod burying;
mod certificate;
mod convert;
mod drain;
mod evicting;
mod flushing;
mod joining;
mod leaving;
mod left_clients;
mod lifecycle;
mod metrics;
mod quarantine;
mod recording;
mod rescan;
mod running;
mod sites;
mod totals;
mod verdicts;
mod warnings;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use onair_ipc::frames::FrameMemory;
use onair_ipc::layout::Geometry;
use onair_ipc::lender::Violation;
use onair_types::{
    AttachmentView, Blocker, Certificate, Direction, EventKind, Operation, Problem, ProblemCode,
    Reconciled, SessionId, SessionSpec, SessionState, SessionView, StoppedBefore, Timestamp,
    Verdict, WatchedFile, Who,
};

use self::attachment::Attachment;
use self::audit::Audit;
pub use self::blockers::Draft;
pub use self::certificate::complete;
pub use self::drain::Progress;
pub use self::evicting::Answer;
use self::evicting::{EvictedClient, EvictedClients};
use self::flushing::Flushes;
use self::leaving::Leaving;
use self::lifecycle::{Lifecycle, Place};
pub use self::recording::Untapped;
pub use self::totals::SessionTotals;
use self::warnings::Warnings;
use crate::dataplane::{Runtime, SessionStats};
use crate::events::Subject;
use crate::inspector::Finding;
use crate::pending_reclaim::RetiredMemory;
use crate::reply::Reply;
use crate::services::Services;

/// The session's state, with the requests that wait in it.
type Life = Lifecycle<Box<Runtime>, Destroy, Reply<SessionView>>;

/// A request that waits for the session to be destroyed.
#[derive(Debug)]
pub struct Destroy {
    /// The requester.
    pub who: Who,
    /// The requested operation.
    pub operation: Operation,
    /// When to give up; `None` gives up at the first user.
    pub deadline: Option<Instant>,
    /// The requested wait, ms.
    pub deadline_ms: Option<u64>,
    /// Without users, it still waits for [`Session::end_in_turn`].
    pub waits_for_turn: bool,
    /// Destination of the answer.
    pub reply: Reply<Box<Certificate>>,
}

/// One session and everything that the daemon keeps about it.
#[derive(Debug)]
pub struct Session {
    /// Unique for the daemon's lifetime.
    pub id: SessionId,
    /// The specification it was created from.
    pub spec: SessionSpec,
    /// The user that created it.
    pub owner: Who,
    /// The connection that created it: the only one that may destroy it over the attach socket.
    pub owner_connection: Option<u64>,
    /// Its index in the probe's counters.
    pub index: u32,
    poller: usize,
    created_at: Timestamp,
    stopped_at: Option<Timestamp>,
    /// Number of starts.
    generation: u64,
    lifecycle: Life,
    geometry: Geometry,
    /// Frames of a receive session, shared by its readers.
    frames: Option<FrameMemory>,
    stats: Arc<SessionStats>,
    attachments: BTreeMap<u64, Attachment>,
    /// Attachments whose proof is in progress.
    proving: u32,
    leaving: BTreeMap<u64, Leaving>,
    flushes: Flushes,
    /// Evicted clients that still have something of the session.
    evicted_clients: EvictedClients,
    /// Clients whose words are invalid, found while the ledgers are here.
    violators: BTreeMap<u64, Violation>,
    retired: RetiredMemory,
    left_clients: left_clients::LeftClients,
    /// Files watched for its clients, including clients that have left.
    watched: Vec<WatchedFile>,
    audit: Audit,
    /// When it stops by itself.
    expires_at: Option<Instant>,
    rescan: rescan::Rescan,
    warnings: Warnings,
    /// When exits are examined again that could not be settled.
    exits_at: Option<Instant>,
    /// Number of requests for credit so far.
    tickets: u64,
    /// The disconnected attachment that was examined last.
    swept: u64,
    /// When a user was last seen: looks at sites before that prove nothing.
    sites_since: Option<Instant>,
    /// When sites are looked at again that could not be looked at yet.
    sites_at: Option<Instant>,
    /// Requesters of a verdict that wait for a look at sites.
    verdicts: Vec<Reply<Verdict>>,
}

impl Session {
    /// Creates a session, stopped. Its memory is allocated on first use.
    ///
    /// # Errors
    /// `invalid_spec`, `no_such_port`, `limit_reached` (no memory).
    pub fn create(
        id: SessionId,
        spec: SessionSpec,
        owner: Who,
        owner_connection: Option<u64>,
        index: u32,
        services: &Services,
    ) -> Result<Self, Problem> {
        let port = services
            .dataplane
            .ports()
            .iter()
            .find(|port| port.name == spec.port)
            .ok_or_else(|| {
                Problem::new(
                    ProblemCode::NoSuchPort,
                    format!("no port is called {:?}", spec.port),
                )
            })?;
        convert::check_addresses(&spec, port)?;
        let geometry = convert::geometry(&spec);
        let no_memory = |error: std::io::Error| {
            Problem::new(
                ProblemCode::LimitReached,
                format!("cannot allocate memory for the session's frames: {error}"),
            )
        };
        let frames = match spec.direction {
            Direction::Receive => Some(FrameMemory::create(geometry, true).map_err(no_memory)?),
            Direction::Send => None,
        };
        let runtime = convert::runtime(id, &spec, port, frames.clone())?;
        Ok(Self {
            id,
            owner,
            owner_connection,
            index,
            poller: port.poller,
            created_at: Timestamp::now(),
            stopped_at: None,
            generation: 0,
            stats: runtime.stats().clone(),
            lifecycle: Lifecycle::new(Box::new(runtime)),
            geometry,
            frames,
            attachments: BTreeMap::new(),
            proving: 0,
            leaving: BTreeMap::new(),
            flushes: Flushes::default(),
            evicted_clients: EvictedClients::default(),
            violators: BTreeMap::new(),
            retired: RetiredMemory::default(),
            left_clients: left_clients::LeftClients::default(),
            watched: Vec::new(),
            audit: Audit::default(),
            expires_at: spec
                .duration_ms
                .and_then(|ms| Instant::now().checked_add(Duration::from_millis(ms))),
            rescan: rescan::Rescan::default(),
            warnings: Warnings::default(),
            exits_at: None,
            tickets: 0,
            swept: 0,
            sites_since: None,
            sites_at: None,
            verdicts: Vec::new(),
            spec,
        })
    }

    /// Number of starts, including those under earlier daemons.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// When it was stopped; `None` while it runs, and if it never ran.
    pub fn stopped_at(&self) -> Option<Timestamp> {
        self.stopped_at
    }

    /// Continues counting from `generation`: the session existed before, and an earlier daemon
    /// stopped it as `stopped` says.
    pub fn continue_from(&mut self, generation: u64, stopped: Option<StoppedBefore>) {
        self.generation = generation;
        self.stopped_at = stopped.as_ref().map(|stopped| stopped.at);
        self.audit.restore(stopped);
    }

    /// Maximum frame memory of a session with this specification, in bytes.
    pub fn memory_bytes(spec: &SessionSpec) -> u64 {
        convert::geometry(spec).frames_len() as u64
    }

    /// Maximum frame memory in bytes, including what evicted senders and clients that left a
    /// stopped session still have.
    pub fn taken_bytes(&self) -> u64 {
        let evicted_clients = self.evicted_clients.list.values();
        let frames = evicted_clients.filter_map(|it| it.attachment.frames.as_ref());
        let frames = frames.chain(&self.retired.frames);
        Self::memory_bytes(&self.spec) + frames.map(|it| it.len() as u64).sum::<u64>()
    }

    /// Whether it has the attachment `number` and did not evict it.
    pub fn has(&self, number: u64) -> bool {
        self.attachments.contains_key(&number)
    }

    /// The state, as the API names it.
    pub fn state(&self) -> SessionState {
        match &self.lifecycle {
            Lifecycle::Running => SessionState::Running,
            Lifecycle::Stopping { .. } | Lifecycle::Stopped { .. } if self.generation == 0 => {
                SessionState::Created
            }
            Lifecycle::Stopping { .. } | Lifecycle::Stopped { .. } => SessionState::Stopped,
            // A destroyed session is in no list any more.
            Lifecycle::Draining { .. } | Lifecycle::Destroyed => SessionState::Draining,
            Lifecycle::Quarantined { .. } => SessionState::Quarantined,
        }
    }

    /// The session as the API shows it.
    pub fn view(&self) -> SessionView {
        let document = onair_types::SpecDocument::from(self.spec.clone());
        SessionView {
            id: self.id,
            name: self.spec.name.clone(),
            direction: self.spec.direction,
            port: self.spec.port.clone(),
            video: document.video,
            flow: document.flow,
            source: self.spec.source,
            quota: self.spec.quota,
            max_attachments: self.spec.max_attachments,
            priority: u32::from(self.spec.priority),
            duration_ms: self.spec.duration_ms,
            persistent: self.spec.persistent,
            state: self.state(),
            owner: Some(self.owner.clone()),
            created_at: self.created_at,
            stopped_at: self.stopped_at,
            attachments: self.attachment_views(),
            counters: convert::counters(&self.stats),
        }
    }

    /// Frames that the ledger has loaned to an attachment.
    fn lent_to(&self, attachment: u64) -> u64 {
        match self.lifecycle.runtime() {
            Some(runtime) => runtime
                .lenders()
                .find(|lender| lender.attachment() == attachment)
                .map_or(0, |lender| lender.lent() as u64),
            None => self
                .stats
                .attachment(attachment)
                .map_or(0, |published| published.frames_out),
        }
    }

    /// Its users, still without thread names.
    pub fn draft_blockers(&self, services: &Services) -> Draft {
        let mut waiters = services.probe.waiters(self.id.0);
        waiters.retain(|waiter| !self.evicted_clients.list.contains_key(&waiter.attachment));
        let mut draft = Draft::of(self.attachments.values(), waiters);
        if let Some(runtime) = self.lifecycle.runtime() {
            for lender in runtime.lenders() {
                let attachment = self.attachments.get(&lender.attachment());
                let held = attachment.and_then(|it| blockers::of_ledger(it, lender.loans()));
                held.into_iter().for_each(|blocker| draft.add(blocker));
            }
        }
        if self.is_quarantined() {
            self.add_mappers(&mut draft);
        }
        draft
    }

    /// A helper thread names its users, then calls `then` with the list.
    pub fn name_blockers(
        &self,
        services: &Services,
        then: impl FnOnce(Vec<Blocker>) -> Finding + Send + 'static,
    ) {
        blockers::name(services, self.id.0, self.draft_blockers(services), then);
    }

    /// The session as the subject of an event.
    pub fn subject(&self) -> Subject {
        Subject {
            session: self.id,
            name: self.spec.name.clone(),
            owner: self.owner.uid,
        }
    }

    /// Publishes an event about the session.
    fn tell(&self, services: &mut Services, kind: EventKind) {
        services.hub.tell(Some(self.subject()), kind);
    }

    /// Publishes what was settled for users that could not settle it themselves.
    fn tell_reconciled(
        &self,
        services: &mut Services,
        settled: impl IntoIterator<Item = Reconciled>,
    ) {
        for reconciled in settled {
            self.tell(services, EventKind::Reconciled { reconciled });
        }
    }

    /// Number of threads inside a call plus attachments that hold frames. While a poller has the
    /// session, only the threads.
    pub fn users(&self) -> u64 {
        let inside: usize = self
            .attachments
            .values()
            .map(|attachment| attachment.memory.users().len())
            .sum();
        let holding = self.lifecycle.runtime().map_or(0, |runtime| {
            runtime.lenders().filter(|it| it.lent() > 0).count()
        });
        (inside + holding) as u64
    }

    fn attachment_views(&self) -> Vec<AttachmentView> {
        let evicted_clients = self.evicted_clients.list.values().map(EvictedClient::view);
        let all = self.attachments.values();
        let all = all.map(|it| it.view(self.lent_to(it.number)));
        all.chain(evicted_clients).collect()
    }

    /// The attachment that `connection` carries, even if it was evicted.
    pub fn attachment_of(&self, connection: u64) -> Option<u64> {
        self.holders()
            .find(|attachment| attachment.client.connection == connection)
            .map(|attachment| attachment.number)
    }

    /// Whether the owner's process has stopped the session for itself (gate.md: its stop is local
    /// and immediate, and the daemon adopts it when the process asks to destroy).
    pub fn is_stopped_by(&self, attachment: u64) -> bool {
        self.attachments
            .get(&attachment)
            .is_some_and(|attachment| attachment.memory.is_locally_stopped())
    }

    /// Whether it receives what a session of `spec` would receive.
    pub fn listens_where(&self, spec: &SessionSpec) -> bool {
        self.spec.direction == Direction::Receive
            && spec.direction == Direction::Receive
            && self.spec.port == spec.port
            && self.spec.flow.destination == spec.flow.destination
    }
}
