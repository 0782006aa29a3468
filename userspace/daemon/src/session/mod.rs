//! A session: its state, its attachments, and the way from stop to destroyed.
//!
//! Every change of a session's state happens here, on the control thread, called by the actor. The
//! poller's half of a session is the [`Runtime`], which is here exactly while no poller has it.
//! What never lives here: sockets, HTTP, waiting.

pub mod attachment;
pub mod blockers;
mod books;
mod certificate;
mod convert;
mod drain;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use onair_api::{
    Blocker, Certificate, Direction, Operation, Problem, ProblemCode, ReconciledCause, SessionId,
    SessionSpec, SessionState, SessionView, StepName, Timestamp, Who,
};
use onair_ipc::event::EventKind;
use onair_ipc::frames::FrameMemory;
use onair_ipc::layout::Geometry;
use onair_ipc::lender::Lender;
use onair_ipc::memory::{AttachmentMemory, State};
use onair_ipc::message::Attached;

use self::attachment::{Attachment, Client, Watched};
use self::books::Books;
pub use self::certificate::complete;
pub use self::drain::Progress;
use crate::control::action::Reply;
use crate::dataplane::{AttachRefusal, Command, Runtime, SessionStats};
use crate::limbo::Remains;
use crate::services::Services;

/// Where the session's runtime is.
#[derive(Debug)]
enum Place {
    /// Here: no poller touches the session (witness 3).
    Here(Box<Runtime>),
    /// With its poller.
    Poller,
    /// With its poller, which was told to hand it back.
    Returning,
}

/// Somebody who waits for the session to be destroyed.
#[derive(Debug)]
pub struct Destroy {
    /// Who asked.
    pub who: Who,
    /// Which operation.
    pub operation: Operation,
    /// When to give up; `None` gives up at the first user.
    pub deadline: Option<Instant>,
    /// The wait that was asked for, ms.
    pub deadline_ms: Option<u64>,
    /// Where the answer goes.
    pub reply: Reply<Box<Certificate>>,
}

/// Somebody who waits for a poller to hand an attachment's lender back.
#[derive(Debug)]
enum Leaving {
    /// It asked to detach, and holds nothing.
    Detach(Reply<()>),
    /// Its process is gone, or let go of the memory.
    Ended(ReconciledCause),
}

/// A session.
#[derive(Debug)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// What it was made from.
    pub spec: SessionSpec,
    /// Who made it.
    pub owner: Who,
    /// The connection that made it, which alone may destroy it over the attach socket.
    pub owner_connection: Option<u64>,
    /// Its place in the probe's counters.
    pub index: u32,
    poller: usize,
    created_at: Timestamp,
    stopped_at: Option<Timestamp>,
    /// Times that it was started.
    generation: u64,
    running: bool,
    place: Place,
    quiesce_sent: Option<Instant>,
    geometry: Geometry,
    /// Frames of a receive session, shared by its readers.
    frames: Option<FrameMemory>,
    stats: Arc<SessionStats>,
    attachments: BTreeMap<u64, Attachment>,
    /// Attachments whose proof is under way.
    proving: u32,
    leaving: BTreeMap<u64, Leaving>,
    departed: Remains,
    books: Books,
    destroy: Option<Destroy>,
    starts: Vec<Reply<SessionView>>,
    rescan: drain::Rescan,
}

impl Session {
    /// Creates a session, stopped. Its memory is allocated as it is used.
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
        let geometry = convert::geometry(&spec);
        let no_memory = |error: std::io::Error| {
            Problem::new(
                ProblemCode::LimitReached,
                format!("no memory for the session's frames: {error}"),
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
            running: false,
            stats: runtime.stats().clone(),
            place: Place::Here(Box::new(runtime)),
            quiesce_sent: None,
            geometry,
            frames,
            attachments: BTreeMap::new(),
            proving: 0,
            leaving: BTreeMap::new(),
            departed: Remains::default(),
            books: Books::default(),
            destroy: None,
            starts: Vec::new(),
            rescan: drain::Rescan::default(),
            spec,
        })
    }

    /// Bytes of frame memory that it takes at most.
    pub fn memory_bytes(spec: &SessionSpec) -> u64 {
        convert::geometry(spec).frames_len() as u64
    }

    /// The state, as the API names it.
    pub fn state(&self) -> SessionState {
        match (&self.destroy, self.running) {
            (Some(_), _) => SessionState::Draining,
            (None, true) => SessionState::Running,
            (None, false) if self.generation == 0 => SessionState::Created,
            (None, false) => SessionState::Stopped,
        }
    }

    /// As the API shows it.
    pub fn view(&self) -> SessionView {
        let document = onair_api::SpecDocument::from(self.spec.clone());
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
            state: self.state(),
            owner: Some(self.owner.clone()),
            created_at: self.created_at,
            stopped_at: self.stopped_at,
            attachments: self.attachments.values().map(Attachment::view).collect(),
            counters: convert::counters(&self.stats),
        }
    }

    /// Who uses it.
    pub fn blockers(&self, services: &Services) -> Vec<Blocker> {
        let waiters = services.probe.waiters(self.id.0);
        let mut all = blockers::list(self.attachments.values(), waiters);
        if let (Place::Here(runtime), false) = (&self.place, self.running) {
            all.extend(runtime.lenders().filter_map(|lender| {
                let attachment = self.attachments.get(&lender.attachment())?;
                blockers::of_ledger(attachment, lender.lends())
            }));
        }
        all
    }

    /// The attachment that `connection` carries.
    pub fn attachment_of(&self, connection: u64) -> Option<u64> {
        self.attachments
            .values()
            .find(|attachment| attachment.client.connection == connection)
            .map(|attachment| attachment.number)
    }

    /// Whether the owner's process has stopped the session for itself (gate.md: its stop is local
    /// and immediate, and the daemon adopts it when it asks to destroy).
    pub fn is_stopped_by(&self, attachment: u64) -> bool {
        self.attachments
            .get(&attachment)
            .is_some_and(|attachment| attachment.memory.is_locally_stopped())
    }

    /// Stops it: closes every gate, wakes everybody, tells the poller to hand the runtime back.
    /// Done already if it is stopped.
    pub fn stop(&mut self, services: &mut Services) {
        for reply in self.starts.drain(..) {
            // The requester may have gone.
            let _ = reply.send(Err(Problem::new(
                ProblemCode::Draining,
                "the session was stopped before it had started",
            )));
        }
        if !self.running {
            return;
        }
        self.running = false;
        self.stopped_at = Some(Timestamp::now());
        self.books.begin_stop();
        self.books.counts.attachments_at_stop = self.attachments.len() as u64;
        self.books.counts.blocked_at_stop = self
            .attachments
            .values()
            .flat_map(|attachment| attachment.memory.slots())
            .map(|slot| u64::from(slot.count))
            .sum();
        for attachment in self.attachments.values() {
            attachment.memory.stop();
        }
        for attachment in self.attachments.values() {
            while attachment.memory.wake_some(64) {}
        }
        self.books.note(StepName::GatesClosed);
        if let Place::Poller = self.place {
            self.place = Place::Returning;
            self.quiesce_sent = Some(Instant::now());
            services.command(self.poller, Command::Quiesce(self.id.0));
        }
        self.rescan.begin();
        tracing::info!(session = %self.id, name = %self.spec.name, "stopped");
    }

    /// Starts it; the reply is sent once the poller has it. Done already if it runs.
    pub fn start(&mut self, services: &mut Services, reply: Reply<SessionView>) {
        if self.destroy.is_some() {
            let _ = reply.send(Err(Problem::new(
                ProblemCode::Draining,
                "the session is being destroyed",
            )));
            return;
        }
        self.starts.push(reply);
        self.try_start(services);
    }

    fn try_start(&mut self, services: &mut Services) {
        if self.starts.is_empty() {
            return;
        }
        if !self.running {
            // A poller that has not handed it back yet does so soon: `handed_back` comes here again.
            let Place::Here(_) = self.place else { return };
            if !services.is_alive(self.poller) {
                for reply in self.starts.drain(..) {
                    // The requester may have gone.
                    let _ = reply.send(Err(Problem::new(
                        ProblemCode::DataplaneBusy,
                        "the poller of the session's port has died: restart the daemon",
                    )));
                }
                return;
            }
            self.settle_departures(services);
            let Place::Here(mut runtime) = std::mem::replace(&mut self.place, Place::Poller) else {
                unreachable!("looked at above");
            };
            self.settle(&mut runtime);
            self.running = true;
            self.generation += 1;
            self.stopped_at = None;
            services.command(self.poller, Command::Start(runtime));
            for attachment in self.attachments.values().filter(|it| !it.disconnected) {
                attachment.memory.disarm_kick();
                attachment.memory.start();
                attachment
                    .memory
                    .notify(EventKind::Started, self.generation);
            }
            tracing::info!(session = %self.id, name = %self.spec.name, "started");
        }
        for reply in std::mem::take(&mut self.starts) {
            // The requester may have gone.
            let _ = reply.send(Ok(self.view()));
        }
    }

    /// The poller handed the runtime back.
    pub fn handed_back(&mut self, services: &mut Services, mut runtime: Box<Runtime>) {
        self.settle(&mut runtime);
        self.place = Place::Here(runtime);
        self.quiesce_sent = None;
        self.books.note(StepName::PollersQuiesced);
        self.settle_departures(services);
        self.try_start(services);
    }

    /// A poller did not take the session: it is stopped again.
    pub fn refused(&mut self, services: &mut Services, runtime: Box<Runtime>) {
        self.place = Place::Here(runtime);
        self.running = true;
        self.stop(services);
    }

    /// A poller did not take an attachment, because the session is not with it any more: it is
    /// added here. One that does not fit at all ends when its process does.
    pub fn attach_refused(
        &mut self,
        services: &mut Services,
        lender: Box<Lender>,
        frames: Option<FrameMemory>,
        reason: AttachRefusal,
    ) {
        let number = lender.attachment();
        let Place::Here(runtime) = &mut self.place else {
            tracing::error!(session = %self.id, attachment = number, %reason, "not attached");
            return;
        };
        if let Err((reason, _, _)) = runtime.attach(lender, frames) {
            tracing::error!(session = %self.id, attachment = number, %reason, "not attached");
        }
        self.settle_departures(services);
    }

    /// A client wrote words that no client following the protocol writes: it is not admitted any
    /// more, and what it has stays lent until its process is dead.
    pub fn violated(&mut self, number: u64) {
        if let Some(attachment) = self.attachments.get(&number) {
            attachment.memory.set_state(State::Revoked);
            attachment.memory.stop();
            while attachment.memory.wake_some(64) {}
        }
    }

    /// Tells the clients that the service goes away, before their calls say so.
    pub fn announce_end(&self) {
        for attachment in self.attachments.values() {
            attachment.memory.notify(EventKind::Draining, 0);
        }
    }

    /// Whether it receives what a session of `spec` would receive.
    pub fn listens_where(&self, spec: &SessionSpec) -> bool {
        self.spec.direction == Direction::Receive
            && spec.direction == Direction::Receive
            && self.spec.port == spec.port
            && self.spec.flow.destination == spec.flow.destination
    }

    /// Takes back what nobody took, and credits what was given back.
    fn settle(&mut self, runtime: &mut Runtime) {
        for lender in runtime.lenders_mut() {
            self.books.counts.frames_reclaimed += lender.settle(|_| ()) as u64;
        }
    }

    /// Whether one more client may begin to attach.
    ///
    /// # Errors
    /// `draining`, `limit_reached`.
    pub fn reserve(&mut self) -> Result<(), Problem> {
        if self.destroy.is_some() {
            return Err(Problem::new(
                ProblemCode::Draining,
                format!("session {} is being destroyed", self.spec.name),
            ));
        }
        let most = match self.spec.direction {
            Direction::Receive => self.spec.max_attachments,
            // Two applications cannot fill one flow.
            Direction::Send => 1,
        };
        if self.attachments.len() as u64 + u64::from(self.proving) >= u64::from(most) {
            return Err(Problem::new(
                ProblemCode::LimitReached,
                format!(
                    "session {} has {most} attachments, as many as it allows",
                    self.spec.name
                ),
            ));
        }
        self.proving += 1;
        Ok(())
    }

    /// Gives a reservation back.
    pub fn unreserve(&mut self) {
        self.proving = self.proving.saturating_sub(1);
    }

    /// Admits a client that holds a reservation: makes its memory, registers it with the probe,
    /// hands its lender to the runtime. Returns the message and the descriptors for it.
    ///
    /// # Errors
    /// `draining` if a destroy began meanwhile, `limit_reached`, `probe_blind`.
    pub fn admit(
        &mut self,
        services: &mut Services,
        number: u64,
        client: Client,
        watched: Option<Watched>,
    ) -> Result<(Attached, [std::os::fd::OwnedFd; 3]), Problem> {
        self.unreserve();
        if self.destroy.is_some() {
            return Err(Problem::new(
                ProblemCode::Draining,
                format!("session {} is being destroyed", self.spec.name),
            ));
        }
        if self
            .attachments
            .values()
            .any(|other| other.client.who.pid == client.who.pid && !other.disconnected)
        {
            return Err(Problem::new(
                ProblemCode::LimitReached,
                format!(
                    "process {} is attached to session {} already: its threads share one attachment",
                    client.who.pid, self.spec.name
                ),
            ));
        }
        let limit = |what: String| Problem::new(ProblemCode::LimitReached, what);
        let system = |error: std::io::Error| limit(format!("no memory for an attachment: {error}"));
        let memory = AttachmentMemory::create(self.id.0, number, self.geometry).map_err(system)?;
        let memory = Arc::new(memory);
        let own_frames = match self.spec.direction {
            Direction::Receive => None,
            Direction::Send => Some(FrameMemory::create(self.geometry, false).map_err(system)?),
        };
        let frames = own_frames
            .as_ref()
            .or(self.frames.as_ref())
            .expect("a receive session has frames, a sender's attachment has its own");
        let (ctl, seg) = memory.for_client().map_err(system)?;
        let descriptors = [ctl, seg, frames.for_client().map_err(system)?];
        if let (Some(watched), Some(probe)) = (&watched, services.probe.probe()) {
            probe
                .register(&watched.proof, self.id.0, number, self.index)
                .map_err(|error| Problem::new(ProblemCode::ProbeBlind, error.to_string()))?;
        }
        let life = match services.bell.hang(&memory) {
            Ok(place) => Some(place),
            Err(error) => {
                if let (Some(watched), Some(probe)) = (&watched, services.probe.probe()) {
                    // The registration was made just now; that it cannot be undone is logged there.
                    let _ = probe.unregister(watched.proof.tgid, self.id.0);
                }
                return Err(limit(error.to_string()));
            }
        };
        let message = convert::attached(self, number, &client, watched.is_some());
        let lender = Box::new(Lender::new(memory.clone(), self.spec.quota));
        let mut attachment = Attachment {
            number,
            client,
            memory,
            frames: own_frames.clone(),
            watched,
            life,
            disconnected: false,
            fruitless_kicks: 0,
        };
        match &mut self.place {
            Place::Here(runtime) => {
                if let Err((refused, _, _)) = runtime.attach(lender, own_frames) {
                    attachment.close(&services.probe, &services.bell);
                    return Err(limit(refused.to_string()));
                }
            }
            Place::Poller | Place::Returning => services.command(
                self.poller,
                Command::Attach {
                    session: self.id.0,
                    lender,
                    frames: own_frames,
                },
            ),
        }
        attachment.memory.open();
        if self.running {
            attachment.memory.start();
        }
        self.books.counts.attachments += 1;
        let who = &attachment.client.who;
        tracing::info!(
            session = %self.id, attachment = number, pid = who.pid, command = %who.command,
            watched = attachment.watched.is_some(), "attached"
        );
        self.attachments.insert(number, attachment);
        Ok((message, descriptors))
    }

    /// The client gives its attachment back. Refused while its callers or frames are out.
    pub fn detach(&mut self, services: &mut Services, number: u64, reply: Reply<()>) {
        let Some(attachment) = self.attachments.get(&number) else {
            let _ = reply.send(Ok(()));
            return;
        };
        let memory = attachment.memory.clone();
        memory.stop();
        while memory.wake_some(64) {}
        onair_ipc::sync::heavy();
        if !memory.users().is_empty() || !memory.held().is_empty() {
            if self.running {
                memory.start();
            }
            let blockers = blockers::list(
                std::iter::once(attachment),
                services.probe.waiters(self.id.0),
            );
            let _ = reply.send(Err(Problem::new(
                ProblemCode::Busy,
                "callers are inside, or frames are held: let them return, and put the frames back",
            )
            .with_blockers(blockers)));
            return;
        }
        self.leave(services, number, Leaving::Detach(reply));
    }

    /// The connection of an attachment closed. Its process may live on (fork, exec, a closed
    /// descriptor), so nothing is taken back yet; nobody is admitted any more.
    pub fn hung_up(&mut self, number: u64) {
        if let Some(attachment) = self.attachments.get_mut(&number) {
            attachment.disconnected = true;
            attachment.memory.stop();
            while attachment.memory.wake_some(64) {}
            self.rescan.begin();
        }
    }

    /// The process of an attachment is dead, so that no thread of it runs.
    pub fn process_ended(&mut self, services: &mut Services, number: u64) {
        self.leave(
            services,
            number,
            Leaving::Ended(ReconciledCause::ProcessDied),
        );
    }

    fn leave(&mut self, services: &mut Services, number: u64, how: Leaving) {
        if !self.attachments.contains_key(&number) {
            return;
        }
        if let Some(Leaving::Detach(_)) = self.leaving.get(&number) {
            // A client that died while it detached: the hand-back is under way, the death settles.
            self.leaving.insert(number, how);
            return;
        }
        if self.leaving.contains_key(&number) {
            return;
        }
        self.leaving.insert(number, how);
        match &self.place {
            Place::Here(_) => self.settle_departures(services),
            Place::Poller => services.command(
                self.poller,
                Command::Detach {
                    session: self.id.0,
                    attachment: number,
                },
            ),
            // It comes back with the runtime.
            Place::Returning => {}
        }
    }

    /// A poller handed one attachment's lender back.
    pub fn lender_back(&mut self, services: &mut Services, number: u64, lender: Lender) {
        self.departed_with(services, number, lender);
        if let Place::Here(_) = self.place {
            self.settle_departures(services);
        }
    }

    /// Settles those who leave, as far as their lenders are here.
    fn settle_departures(&mut self, services: &mut Services) {
        let numbers: Vec<u64> = self.leaving.keys().copied().collect();
        for number in numbers {
            let Place::Here(runtime) = &mut self.place else {
                return;
            };
            if let Some((lender, _)) = runtime.detach(number) {
                self.departed_with(services, number, *lender);
            }
        }
    }

    fn departed_with(&mut self, services: &mut Services, number: u64, mut lender: Lender) {
        let (Some(mut attachment), Some(how)) = (
            self.attachments.remove(&number),
            self.leaving.remove(&number),
        ) else {
            return;
        };
        self.books.counts.frames_reclaimed += lender.settle(|_| ()) as u64;
        self.books.counts.frames_lent += lender.published();
        let who = attachment.client.who.clone();
        let slots = attachment
            .memory
            .slots()
            .iter()
            .filter(|slot| slot.count > 0)
            .count() as u64;
        // Nobody of a dead process runs, and a client that detached said that it holds nothing.
        let frames = lender.credit_dead_process().len() as u64;
        attachment.close(&services.probe, &services.bell);
        match how {
            Leaving::Detach(reply) => {
                // The requester may have gone.
                let _ = reply.send(Ok(()));
                self.books
                    .reconcile(&who, None, ReconciledCause::Detached, frames, slots);
            }
            Leaving::Ended(cause) => self.books.reconcile(&who, None, cause, frames, slots),
        }
        tracing::info!(session = %self.id, attachment = number, pid = who.pid, "attachment ended");
        self.departed.words.push(attachment.memory);
        self.departed.frames.extend(attachment.frames);
        if self.running {
            // Not the session's any more: it is given back by itself.
            services
                .limbo
                .keep(None, std::mem::take(&mut self.departed));
        }
    }

    /// Whether `tgid` (in the first pid namespace) is a client of this session.
    pub fn has_client(&self, tgid: u32) -> bool {
        self.attachments.values().any(|attachment| {
            attachment
                .watched
                .as_ref()
                .is_some_and(|watched| watched.proof.tgid == tgid)
        })
    }

    /// Rings the bells of `tgid`'s attachment: a thread of it ended, and may have swallowed the one
    /// wake-up that was another's.
    pub fn thread_ended(&mut self, tgid: u32) {
        for attachment in self.attachments.values() {
            let is_its = attachment
                .watched
                .as_ref()
                .is_some_and(|watched| watched.proof.tgid == tgid);
            if is_its {
                attachment.memory.strike_all();
                while attachment.memory.wake_some(64) {}
            }
        }
        self.rescan.look_for_dead();
    }
}
