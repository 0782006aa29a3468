//! The one owner of every session: takes actions, kicks, poller events and probe events, one at a
//! time, and does what follows.
//!
//! Nothing here blocks but the system calls that the gate needs (waking sleepers, the barrier) and
//! the bounded look at clients' sites inside a verdict.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use onair_api::{
    BlockerList, Certificate, Dataplane as DataplaneDocument, Health, HealthStatus, Operation,
    PollerHealth, PortHealth, ProbeMode, ProbeState, Problem, ProblemCode, SessionId, SessionList,
    SessionRef, SessionSpec, SessionState, SessionTally, SessionView, Timestamp, Via, Who,
};
use onair_probe::{Events, ProbeEvent};
use tokio::io::unix::AsyncFd;
use tokio::sync::{mpsc, oneshot, watch};

use super::action::{Action, Caller, Reply};
use super::attach::{AttachAction, ConnectionId, Seat, Watching};
use crate::dataplane::PollerEvent;
use crate::services::Services;
use crate::session::{Destroy, Progress, Session};

/// Places in the probe's counters: sessions that live at a time.
const INDICES: u32 = 1024;
/// Pause between two looks at memory that waits for W4.
const LIMBO_PAUSE: Duration = Duration::from_millis(50);
/// Pause between two looks at what nobody tells of: the interfaces under the ports, the probe.
const PATROL_PAUSE: Duration = Duration::from_secs(1);
/// Pause between two tries of a poller's full queue.
const OUTBOX_PAUSE: Duration = Duration::from_millis(1);

/// The actor.
#[derive(Debug)]
pub struct Actor {
    services: Services,
    sessions: BTreeMap<u64, Session>,
    counter: u32,
    attachments: u64,
    destroyed: u64,
    free_indices: VecDeque<u32>,
    ending: Option<Ending>,
    patrol_at: Instant,
}

#[derive(Debug)]
struct Ending {
    deadline: Instant,
}

/// Where actions come from.
#[derive(Debug)]
pub struct Inbox {
    /// From the HTTP socket.
    pub actions: mpsc::Receiver<Action>,
    /// From the attach socket.
    pub attach: mpsc::Receiver<AttachAction>,
    /// The probe's events.
    pub probe: Option<Events>,
    /// Becomes true when the daemon is to end.
    pub shutdown: watch::Receiver<bool>,
}

impl Actor {
    /// An actor without sessions.
    pub fn new(services: Services) -> Self {
        Self {
            services,
            sessions: BTreeMap::new(),
            counter: 0,
            attachments: 0,
            destroyed: 0,
            free_indices: (0..INDICES).collect(),
            ending: None,
            patrol_at: Instant::now() + PATROL_PAUSE,
        }
    }

    /// Runs until the daemon is to end and every session has ended, or the graceful time-out
    /// passed. Returns the services, to be ended, and the names of sessions that were abandoned.
    ///
    /// # Errors
    /// The kernel's, at the start: out of descriptors.
    pub async fn run(mut self, mut inbox: Inbox) -> std::io::Result<(Services, Vec<String>)> {
        let pollers = readable(&self.services.events)?;
        let probe_fd = match &inbox.probe {
            Some(events) => Some(readable(events)?),
            None => None,
        };
        loop {
            if self.is_over() {
                break;
            }
            let wake = self.wake_at();
            tokio::select! {
                biased;
                changed = inbox.shutdown.changed(), if self.ending.is_none() => {
                    if changed.is_err() || *inbox.shutdown.borrow() {
                        self.begin_ending();
                    }
                }
                ready = pollers.readable() => {
                    ready?.clear_ready();
                    self.poller_events();
                }
                ready = wait(&probe_fd), if probe_fd.is_some() => {
                    ready?.clear_ready();
                    let events = inbox.probe.as_mut().map(Events::drain).unwrap_or_default();
                    self.probe_events(&events);
                }
                Some(action) = inbox.attach.recv() => self.attach_action(action),
                Some(action) = inbox.actions.recv() => self.action(action),
                () = tokio::time::sleep_until(wake.into()) => self.tick(),
            }
        }
        self.sweep_limbo();
        let mut abandoned = Vec::new();
        for session in self.sessions.values_mut() {
            session.abandon(&self.services);
            abandoned.push(session.spec.name.to_string());
        }
        Ok((self.services, abandoned))
    }

    fn action(&mut self, action: Action) {
        // A requester that has gone needs no answer: every `send` below may fail for that reason.
        match action {
            Action::Create {
                caller,
                spec,
                reply,
            } => self.create(&caller, *spec, None, reply),
            Action::List { reply } => {
                let sessions = self.sessions.values().map(Session::view).collect();
                let _ = reply.send(Ok(SessionList { sessions }));
            }
            Action::Show {
                caller,
                session,
                reply,
            } => {
                let view = self
                    .find(&caller, &session)
                    .map(|id| self.sessions[&id].view());
                let _ = reply.send(view);
            }
            Action::Stop {
                caller,
                session,
                reply,
            } => match self.find(&caller, &session) {
                Ok(id) => {
                    let progress = self.with(id, |session, services| {
                        session.stop(services);
                        session.advance(services)
                    });
                    let view = self.sessions.get(&id).map(Session::view);
                    self.follow(id, progress);
                    let gone = || Problem::new(ProblemCode::StaleSession, "destroyed meanwhile");
                    let _ = reply.send(view.ok_or_else(gone));
                }
                Err(problem) => {
                    let _ = reply.send(Err(problem));
                }
            },
            Action::Start {
                caller,
                session,
                reply,
            } => match self
                .find(&caller, &session)
                .and_then(|id| self.not_ending(id))
            {
                Ok(id) => {
                    let progress = self.with(id, |session, services| {
                        session.start(services, reply);
                        Progress::Lives
                    });
                    self.follow(id, progress);
                }
                Err(problem) => {
                    let _ = reply.send(Err(problem));
                }
            },
            Action::Destroy {
                caller,
                session,
                reply,
            } => self.destroy(&caller, &session, None, reply),
            Action::DestroyWait {
                caller,
                session,
                deadline,
                deadline_ms,
                reply,
            } => self.destroy(&caller, &session, Some((deadline, deadline_ms)), reply),
            Action::Blockers {
                caller,
                session,
                reply,
            } => {
                let list = self.find(&caller, &session).map(|id| {
                    let session = &self.sessions[&id];
                    BlockerList {
                        session: session.id,
                        name: session.spec.name.clone(),
                        at: Timestamp::now(),
                        blockers: session.blockers(&self.services),
                    }
                });
                let _ = reply.send(list);
            }
            Action::Verdict {
                caller,
                session,
                reply,
            } => {
                let verdict = self.find(&caller, &session).map(|id| {
                    let session = self.sessions.get_mut(&id).expect("just found");
                    session.verdict(&self.services)
                });
                let _ = reply.send(verdict);
            }
            Action::Certificate {
                caller,
                session,
                reply,
            } => {
                let _ = reply.send(self.certificate(&caller, &session));
            }
            Action::Certificates { reply } => {
                let _ = reply.send(Ok(self.services.archive.list()));
            }
            Action::Health { reply } => {
                let _ = reply.send(Ok(Box::new(self.health())));
            }
        }
    }

    fn attach_action(&mut self, action: AttachAction) {
        match action {
            AttachAction::Create {
                caller,
                connection,
                spec,
                reply,
            } => self.create(&caller, *spec, Some(connection), reply),
            AttachAction::Reserve {
                caller,
                session,
                reply,
            } => {
                let _ = reply.send(self.reserve(&caller, &session));
            }
            AttachAction::Release { session } => {
                if let Some(session) = self.sessions.get_mut(&session) {
                    session.unreserve();
                }
            }
            AttachAction::Admit {
                session,
                client,
                watched,
                reply,
            } => {
                let admitted = match self.sessions.get_mut(&session) {
                    Some(session) => {
                        self.attachments += 1;
                        session.admit(
                            &mut self.services,
                            self.attachments,
                            *client,
                            watched.map(|watched| *watched),
                        )
                    }
                    None => Err(stale(&SessionId(session).into())),
                };
                let _ = reply.send(admitted);
            }
            AttachAction::Detach { connection, reply } => match self.carried_by(connection) {
                Some((id, number)) => {
                    let progress = self.with(id, |session, services| {
                        session.detach(services, number, reply);
                        session.advance(services)
                    });
                    self.follow(id, progress);
                }
                // The session was destroyed: the client's part of detaching is all that is left.
                None => {
                    let _ = reply.send(Ok(()));
                }
            },
            AttachAction::Destroy {
                connection,
                who,
                wait,
                reply,
            } => self.destroy_own(connection, who, wait, reply),
            AttachAction::Kick { connection } => {
                if let Some((id, number)) = self.carried_by(connection) {
                    let progress =
                        self.with(id, |session, services| session.kicked(services, number));
                    self.follow(id, progress);
                }
            }
            AttachAction::HungUp { connection } => {
                if let Some((id, number)) = self.carried_by(connection) {
                    let progress = self.with(id, |session, services| {
                        session.hung_up(number);
                        session.advance(services)
                    });
                    self.follow(id, progress);
                }
                self.sweep_limbo();
            }
            AttachAction::ProcessEnded { connection } => {
                if let Some((id, number)) = self.carried_by(connection) {
                    let progress = self.with(id, |session, services| {
                        session.process_ended(services, number);
                        session.advance(services)
                    });
                    self.follow(id, progress);
                }
                self.sweep_limbo();
            }
        }
    }

    fn poller_events(&mut self) {
        while let Some(event) = self.services.events.pop() {
            match event {
                PollerEvent::HandedBack(runtime) => {
                    let id = runtime.session();
                    let progress = self.with(id, |session, services| {
                        session.handed_back(services, runtime);
                        session.advance(services)
                    });
                    self.follow(id, progress);
                }
                PollerEvent::LenderBack {
                    session,
                    attachment,
                    lender,
                    ..
                } => {
                    let progress = self.with(session, |session, services| {
                        session.lender_back(services, attachment, *lender);
                        session.advance(services)
                    });
                    self.follow(session, progress);
                }
                PollerEvent::Refused { runtime, reason } => {
                    tracing::error!(%reason, "a poller refused a session");
                    let id = runtime.session();
                    let progress = self.with(id, |session, services| {
                        session.refused(services, runtime);
                        Progress::Lives
                    });
                    self.follow(id, progress);
                }
                PollerEvent::AttachRefused {
                    session,
                    lender,
                    frames,
                    reason,
                } => {
                    let progress = self.with(session, |session, services| {
                        session.attach_refused(services, lender, frames, reason);
                        Progress::Lives
                    });
                    self.follow(session, progress);
                }
                PollerEvent::Violation {
                    session,
                    attachment,
                    what,
                } => {
                    tracing::error!(session, attachment, ?what, "a client broke the protocol");
                    if let Some(session) = self.sessions.get_mut(&session) {
                        session.violated(attachment);
                    }
                }
                other => self.services.report(&other),
            }
        }
        for runtime in self.services.take_bounced().into_iter().map(Box::new) {
            let id = runtime.session();
            let progress = self.with(id, |session, services| {
                session.refused(services, runtime);
                Progress::Lives
            });
            self.follow(id, progress);
        }
    }

    fn probe_events(&mut self, events: &[ProbeEvent]) {
        for event in events {
            let sessions: Vec<u64> = match event {
                ProbeEvent::Exit { tgid, .. } | ProbeEvent::Exec { tgid, .. } => {
                    let has = |session: &&mut Session| session.has_client(*tgid);
                    let affected = self.sessions.values_mut().filter(has);
                    affected
                        .map(|session| {
                            session.thread_ended(*tgid);
                            session.id.0
                        })
                        .collect()
                }
                ProbeEvent::Overrun { lost } => {
                    tracing::warn!(lost, "probe events were lost; the maps are read anew");
                    self.sessions.keys().copied().collect()
                }
            };
            for id in sessions {
                let progress = self.with(id, Session::advance);
                self.follow(id, progress);
            }
        }
    }

    fn tick(&mut self) {
        self.services.flush();
        let now = Instant::now();
        if now >= self.patrol_at {
            self.patrol_at = now + PATROL_PAUSE;
            self.services.dataplane.check_ports();
            self.services.probe.test();
        }
        let ids: Vec<u64> = self.sessions.keys().copied().collect();
        for id in ids {
            let progress = self.with(id, |session, services| session.tick(services, now));
            self.follow(id, progress);
        }
        self.sweep_limbo();
    }

    fn wake_at(&mut self) -> Instant {
        let now = Instant::now();
        let mut wake = self.patrol_at;
        let sessions = self.sessions.values().filter_map(Session::wake_at);
        wake = sessions.fold(wake, Instant::min);
        if !self.services.limbo.is_empty() {
            wake = wake.min(now + LIMBO_PAUSE);
        }
        if !self.services.flush() {
            wake = wake.min(now + OUTBOX_PAUSE);
        }
        if let Some(ending) = &self.ending {
            wake = wake.min(ending.deadline);
        }
        wake
    }

    /// Does something to a session, if it lives.
    fn with(
        &mut self,
        id: u64,
        act: impl FnOnce(&mut Session, &mut Services) -> Progress,
    ) -> Progress {
        match self.sessions.get_mut(&id) {
            Some(session) => act(session, &mut self.services),
            None => Progress::Lives,
        }
    }

    /// Takes a destroyed session out, and answers who asked.
    fn follow(&mut self, id: u64, progress: Progress) {
        let Progress::Destroyed(certificate, destroy) = progress else {
            return;
        };
        if let Some(session) = self.sessions.remove(&id) {
            // To the end: the kernel's counter at a place may have to run out first.
            self.free_indices.push_back(session.index);
            self.destroyed += 1;
        }
        self.sweep_limbo();
        let reference = SessionRef::Id(certificate.session);
        let completed = self.services.archive.find(&reference).cloned();
        let _ = destroy
            .reply
            .send(Ok(completed.map_or(certificate, Box::new)));
    }

    fn sweep_limbo(&mut self) {
        for (session, bytes, reading) in self.services.limbo.sweep() {
            let found = self
                .services
                .archive
                .find(&SessionRef::Id(session))
                .cloned();
            if let Some(mut certificate) = found {
                crate::session::complete(&mut certificate, bytes, reading);
                self.services.archive.keep(certificate);
            }
        }
    }

    fn create(
        &mut self,
        caller: &Caller,
        spec: SessionSpec,
        connection: Option<ConnectionId>,
        reply: Reply<SessionView>,
    ) {
        match self.make(caller, spec, connection) {
            Ok(id) => {
                let progress = self.with(id, |session, services| {
                    session.start(services, reply);
                    Progress::Lives
                });
                self.follow(id, progress);
            }
            Err(problem) => {
                let _ = reply.send(Err(problem));
            }
        }
    }

    fn make(
        &mut self,
        caller: &Caller,
        spec: SessionSpec,
        connection: Option<ConnectionId>,
    ) -> Result<u64, Problem> {
        if self.ending.is_some() {
            return Err(shutting_down());
        }
        if self.sessions.values().any(|it| it.spec.name == spec.name) {
            return Err(Problem::new(
                ProblemCode::NameTaken,
                format!("a session called {} exists", spec.name),
            ));
        }
        let limits = &self.services.config.limits;
        if self.sessions.len() as u64 >= u64::from(limits.sessions) {
            return Err(Problem::new(
                ProblemCode::LimitReached,
                format!(
                    "{} sessions live, as many as limits.sessions allows",
                    limits.sessions
                ),
            ));
        }
        let taken: u64 = self
            .sessions
            .values()
            .map(|it| Session::memory_bytes(&it.spec))
            .sum::<u64>()
            + self.services.limbo.bytes();
        let wanted = Session::memory_bytes(&spec);
        if taken + wanted > limits.frame_memory_mb << 20 {
            return Err(Problem::new(
                ProblemCode::LimitReached,
                format!(
                    "the session needs {} MiB for its frames, {} of {} MiB \
                     (limits.frame_memory_mb) are taken: lower quota or max_attachments",
                    wanted.div_ceil(1 << 20),
                    taken.div_ceil(1 << 20),
                    limits.frame_memory_mb
                ),
            ));
        }
        if let Some(other) = self.sessions.values().find(|it| it.listens_where(&spec)) {
            return Err(Problem::new(
                ProblemCode::InvalidSpec,
                format!(
                    "session {} receives {} on port {} already",
                    other.spec.name, spec.flow.destination, spec.port
                ),
            ));
        }
        let index = self.free_indices.pop_front().ok_or_else(|| {
            Problem::new(ProblemCode::LimitReached, "the probe has no place left")
        })?;
        self.counter += 1;
        let id = SessionId::new(self.services.identity.incarnation, self.counter);
        let owner = caller.who.clone();
        match Session::create(id, spec, owner, connection, index, &self.services) {
            Ok(session) => {
                self.sessions.insert(id.0, session);
                Ok(id.0)
            }
            Err(problem) => {
                self.free_indices.push_front(index);
                Err(problem)
            }
        }
    }

    fn destroy(
        &mut self,
        caller: &Caller,
        session: &SessionRef,
        wait: Option<(Instant, u64)>,
        reply: Reply<Box<Certificate>>,
    ) {
        match self.find(caller, session) {
            Ok(id) => self.begin_destroy(id, caller.who.clone(), wait, reply),
            Err(problem) => {
                let _ = reply.send(Err(problem));
            }
        }
    }

    fn begin_destroy(
        &mut self,
        id: u64,
        who: Who,
        wait: Option<(Instant, u64)>,
        reply: Reply<Box<Certificate>>,
    ) {
        let destroy = Destroy {
            who,
            operation: match wait {
                Some(_) => Operation::DestroyWait,
                None => Operation::Destroy,
            },
            deadline: wait.map(|(deadline, _)| deadline),
            deadline_ms: wait.map(|(_, ms)| ms),
            reply,
        };
        let progress = self.with(id, |session, services| {
            session.begin_destroy(services, destroy)
        });
        self.follow(id, progress);
    }

    /// A client destroys the session that it made: the daemon adopts the stop that the client did
    /// for itself, and refuses if there was none.
    fn destroy_own(
        &mut self,
        connection: ConnectionId,
        who: Who,
        wait: Option<Duration>,
        reply: Reply<Box<Certificate>>,
    ) {
        let Some((id, number)) = self.carried_by(connection) else {
            let problem = Problem::new(ProblemCode::StaleSession, "the session is gone");
            let _ = reply.send(Err(problem));
            return;
        };
        let session = self.sessions.get_mut(&id).expect("just found");
        if session.owner_connection != Some(connection) {
            let _ = reply.send(Err(Problem::new(
                ProblemCode::Forbidden,
                "only the process that created the session destroys it here; operators use the \
                 control socket",
            )));
            return;
        }
        if session.is_stopped_by(number) {
            session.stop(&mut self.services);
        }
        let wait = wait.map(|wait| {
            let ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            (Instant::now() + wait, ms)
        });
        self.begin_destroy(id, who, wait, reply);
    }

    fn reserve(&mut self, caller: &Caller, session: &SessionRef) -> Result<Seat, Problem> {
        if self.ending.is_some() {
            return Err(shutting_down());
        }
        let id = self.find(caller, session)?;
        if let Some(reason) = self.services.probe.refusal() {
            return Err(Problem::new(ProblemCode::ProbeBlind, reason));
        }
        let watching = match (self.services.probe.probe(), self.services.probe.mode()) {
            (Some(probe), ProbeMode::Required) => Watching::Required(probe.clone()),
            (Some(probe), ProbeMode::Preferred) => Watching::Preferred(probe.clone()),
            _ => Watching::Off,
        };
        let session = self.sessions.get_mut(&id).expect("just found");
        session.reserve()?;
        Ok(Seat {
            session: id,
            watching,
        })
    }

    fn certificate(
        &self,
        caller: &Caller,
        session: &SessionRef,
    ) -> Result<Box<Certificate>, Problem> {
        if let Ok(id) = self.find(caller, session)
            && !matches!(session, SessionRef::Name(_))
        {
            return Err(Problem::new(
                ProblemCode::CertificatePending,
                format!("session {} lives", self.sessions[&id].spec.name),
            ));
        }
        if let Some(certificate) = self.services.archive.find(session) {
            caller.require(Some(certificate.requester.uid))?;
            return Ok(Box::new(certificate.clone()));
        }
        match self.find(caller, session) {
            Ok(id) => Err(Problem::new(
                ProblemCode::CertificatePending,
                format!("session {} lives", self.sessions[&id].spec.name),
            )),
            Err(problem) => Err(problem),
        }
    }

    /// The living session that is meant, if the caller may.
    fn find(&self, caller: &Caller, session: &SessionRef) -> Result<u64, Problem> {
        let found = match session {
            SessionRef::Id(id) => self.sessions.get(&id.0),
            SessionRef::Name(name) => self.sessions.values().find(|it| it.spec.name == *name),
        };
        match found {
            Some(found) => {
                caller.require(Some(found.owner.uid))?;
                Ok(found.id.0)
            }
            None => Err(self.missing(session)),
        }
    }

    fn missing(&self, session: &SessionRef) -> Problem {
        let known = match session {
            SessionRef::Id(id) => {
                // Ids of this daemon up to the counter were given out; those of another daemon's
                // incarnation are some earlier daemon's.
                id.incarnation() != self.services.identity.incarnation
                    || (1..=u64::from(self.counter)).contains(&(id.0 & 0xffff_ffff))
            }
            SessionRef::Name(_) => self.services.archive.find(session).is_some(),
        };
        if known {
            stale(session)
        } else {
            Problem::new(
                ProblemCode::NoSuchSession,
                format!("no session is called {session}"),
            )
        }
    }

    fn carried_by(&self, connection: ConnectionId) -> Option<(u64, u64)> {
        self.sessions
            .values()
            .find_map(|session| Some((session.id.0, session.attachment_of(connection)?)))
    }

    fn not_ending(&self, id: u64) -> Result<u64, Problem> {
        if self.ending.is_some() {
            return Err(shutting_down());
        }
        Ok(id)
    }

    fn begin_ending(&mut self) {
        let graceful = Duration::from_millis(self.services.config.timeouts.graceful_ms);
        let deadline = Instant::now() + graceful;
        tracing::info!(sessions = self.sessions.len(), ?graceful, "shutting down");
        self.ending = Some(Ending { deadline });
        let ids: Vec<u64> = self.sessions.keys().copied().collect();
        for &id in &ids {
            let progress = self.with(id, |session, services| {
                session.announce_end();
                session.stop(services);
                Progress::Lives
            });
            self.follow(id, progress);
        }
        let who = Who {
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
            pid: std::process::id(),
            command: "onaird".into(),
            via: Via::Daemon,
        };
        for id in ids {
            let destroy = Destroy {
                who: who.clone(),
                operation: Operation::Shutdown,
                deadline: Some(deadline),
                deadline_ms: Some(self.services.config.timeouts.graceful_ms),
                // Nobody waits for this answer: the certificate is in the archive.
                reply: oneshot::channel().0,
            };
            let progress = self.with(id, |session, services| {
                session.begin_destroy(services, destroy)
            });
            self.follow(id, progress);
        }
    }

    fn is_over(&self) -> bool {
        self.ending
            .as_ref()
            .is_some_and(|ending| self.sessions.is_empty() || Instant::now() >= ending.deadline)
    }

    fn health(&self) -> Health {
        let probe = self.services.probe_document(Vec::new());
        let mut problems = Vec::new();
        if probe.state == ProbeState::Blind {
            let reason = probe.reason.clone().unwrap_or_default();
            problems.push(format!("the probe does not see: {reason}"));
        }
        if probe.state == ProbeState::Off {
            problems.push("the probe is off: certificates have no word of the kernel".into());
        }
        let required_and_blind =
            probe.mode == ProbeMode::Required && probe.state != ProbeState::Watching;
        let dataplane = self.dataplane_health(&mut problems);
        let status = if required_and_blind {
            HealthStatus::ProbeBlind
        } else if problems.is_empty() {
            HealthStatus::Ok
        } else {
            HealthStatus::Degraded
        };
        let started = self.services.identity.started_at;
        Health {
            status,
            live: true,
            ready: !required_and_blind && self.ending.is_none(),
            problems,
            version: env!("CARGO_PKG_VERSION").into(),
            pid: std::process::id(),
            boot_id: self.services.identity.boot_id.clone(),
            started_at: started,
            uptime_ms: u64::try_from(started.age().as_millis()).unwrap_or(u64::MAX),
            probe,
            dataplane,
            sessions: self.tally(),
        }
    }

    fn tally(&self) -> SessionTally {
        let mut tally = SessionTally {
            destroyed: self.destroyed,
            ..SessionTally::default()
        };
        for session in self.sessions.values() {
            match session.state() {
                SessionState::Created => tally.created += 1,
                SessionState::Running => tally.running += 1,
                SessionState::Stopped => tally.stopped += 1,
                SessionState::Draining => tally.draining += 1,
                SessionState::Quarantined => tally.quarantined += 1,
                SessionState::Destroyed => {}
            }
        }
        tally
    }

    fn dataplane_health(&self, problems: &mut Vec<String>) -> DataplaneDocument {
        let plane = &self.services.dataplane;
        let config = &self.services.config;
        let ports: Vec<PortHealth> = plane
            .ports()
            .iter()
            .map(|port| self.services.port_health(port, problems))
            .collect();
        let mut drivers: Vec<&str> = ports.iter().map(|port| port.backend.as_str()).collect();
        drivers.sort_unstable();
        drivers.dedup();
        let backend = match drivers[..] {
            [] => "none",
            [one] => one,
            _ => "mixed",
        };
        let pollers = config
            .poller
            .iter()
            .enumerate()
            .map(|(index, poller)| PollerHealth {
                name: poller.name.clone(),
                core: u32::try_from(poller.core).unwrap_or(u32::MAX),
                idle: match poller.idle {
                    crate::config::Idle::Adaptive => "adaptive".into(),
                    crate::config::Idle::Busy => "busy".into(),
                },
                alive: self.services.is_alive(index),
                sessions: plane.poller_counters(index).map_or(0, |it| it.sessions),
            })
            .collect();
        DataplaneDocument {
            backend: backend.to_owned(),
            dpdk: self.services.identity.versions.dpdk.clone(),
            hugepages: plane.has_hugepages(),
            ports,
            pollers,
        }
    }
}

fn stale(session: &SessionRef) -> Problem {
    Problem::new(
        ProblemCode::StaleSession,
        format!("session {session} was destroyed"),
    )
}

fn shutting_down() -> Problem {
    Problem::new(ProblemCode::ShuttingDown, "the daemon is shutting down")
}

#[expect(
    deprecated,
    reason = "the replacement is unsafe; an OwnedFd never changes the descriptor it has"
)]
fn readable(source: impl std::os::fd::AsFd) -> std::io::Result<AsyncFd<std::os::fd::OwnedFd>> {
    let own = source.as_fd().try_clone_to_owned()?;
    AsyncFd::with_interest(own, tokio::io::Interest::READABLE)
}

async fn wait(
    fd: &Option<AsyncFd<std::os::fd::OwnedFd>>,
) -> std::io::Result<tokio::io::unix::AsyncFdReadyGuard<'_, std::os::fd::OwnedFd>> {
    match fd {
        Some(fd) => fd.readable().await,
        None => std::future::pending().await,
    }
}
