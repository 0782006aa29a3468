//! How a client joins a session.

use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;

use onair_api::{Direction, EventKind, Problem, ProblemCode, SessionSpec};
use onair_dataplane::Runtime;
use onair_ipc::frames::FrameMemory;
use onair_ipc::memory::AttachmentMemory;
use onair_ipc::message::Attached;
use onair_mutant::mutant;
use onair_session::{Admission, Event, SessionCore};
use onair_shares::Owner;

use crate::services::Services;
use crate::session::attachment::{ClientProcess, Connected, Watched};
use crate::session::{Progress, Session, certificate, convert, converted};

/// Places of `max_attachments` that are taken, beside those that the session's core knows of.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// Attachments whose proof is in progress.
    proving: u32,
    /// Converted sessions that have its frames: each takes the place of a client.
    pub(crate) conversions: u64,
}

impl Places {
    /// Whether all attachment slots are taken, for one that fills or one that reads. A local session keeps one for its
    /// filler.
    pub(crate) fn are_taken(
        &self,
        spec: &SessionSpec,
        core: &SessionCore<Runtime>,
        fills: bool,
    ) -> bool {
        let taken = of_clients(core) + u64::from(self.proving) + self.conversions;
        let kept = spec.is_local() && !fills && converted::filler(core).is_none();
        taken + u64::from(kept) >= u64::from(most(spec))
    }

    /// Returns a reservation.
    pub(crate) fn unreserve(&mut self) {
        if !mutant!("engine: a reservation is not given back") {
            self.proving = self.proving.saturating_sub(1);
        }
    }
}

/// Places that clients take.
fn of_clients(core: &SessionCore<Runtime>) -> u64 {
    let converters = converted::converters(core);
    core.places_taken().saturating_sub(converters)
}

impl Session {
    /// Whether one more client may begin to attach.
    ///
    /// # Errors
    /// `draining`, `poller_down`, `limit_reached`.
    pub fn reserve(
        &mut self,
        services: &Services,
        owner: Owner,
        fills: bool,
        is_converter: bool,
    ) -> Result<(), Problem> {
        self.check_not_draining()?;
        self.check_poller(services)?;
        if is_converter {
            return Ok(());
        }
        if self.places.are_taken(&self.spec, &self.core, fills) {
            return Err(Problem::new(
                ProblemCode::LimitReached,
                format!(
                    "session {} has {} attachments{}, as many as it allows",
                    self.spec.name,
                    u64::from(most(&self.spec)).saturating_sub(self.places.conversions),
                    match self.places.conversions {
                        0 => String::new(),
                        converted => format!(" and {converted} converted sessions"),
                    }
                ),
            ));
        }
        self.former_clients
            .check(&self.core, services, owner)
            .map_err(|refused| {
                let name = &self.spec.name;
                let detail = format!("session {name}: {refused}");
                Problem::new(ProblemCode::LimitReached, detail)
            })?;
        self.places.proving += 1;
        Ok(())
    }

    /// Whether it can have clients.
    ///
    /// # Errors
    /// `draining`.
    pub fn check_not_draining(&self) -> Result<(), Problem> {
        if self.core.life().is_draining() {
            return Err(Problem::new(
                ProblemCode::Draining,
                format!("session {} is being destroyed", self.spec.name),
            ));
        }
        Ok(())
    }

    /// Admits a client that has a reservation: creates its memory, registers it with the probe, and
    /// hands it to the core. Returns the message and the descriptors for it.
    ///
    /// # Errors
    /// `draining` if a destroy began meanwhile, `limit_reached`, `probe_blind`.
    pub fn admit(
        &mut self,
        services: &mut Services,
        number: u64,
        mut client: ClientProcess,
        watched: Option<Watched>,
    ) -> Result<(Attached, [OwnedFd; 3]), Problem> {
        // The reservation ends here, however this ends. A destroy may have begun while the client proved its sites.
        let is_converter = converted::is_converter(&client.who);
        if !is_converter {
            self.places.unreserve();
        }
        self.check_not_draining()?;
        let pid = client.who.pid;
        let is_twice = |it: &onair_session::Attachment| it.who.pid == pid && !it.disconnected;
        if self.core.clients().attached().any(is_twice) {
            return Err(limit(format!(
                "process {pid} is already attached to session {}: its threads share one attachment (in GStreamer one \
                 onairsrc, and a tee)",
                self.spec.name
            )));
        }
        client.fills &= self.spec.is_local() || is_converter;
        client.samples &= !client.fills && self.spec.direction != Direction::Send;
        if client.fills {
            // Another one may have been faster.
            self.check_filler().map_err(|refused| *refused.problem)?;
        }
        let memory = AttachmentMemory::create(self.id.0, number, self.geometry).map_err(system)?;
        let memory = Arc::new(memory);
        let own_frames = match self.spec.direction {
            Direction::Receive | Direction::Local => None,
            Direction::Send => Some(FrameMemory::create(self.geometry, false).map_err(system)?),
        };
        let frames = own_frames
            .as_ref()
            .or(self.core.frames())
            .expect("a receive or local session has frames, a sender's attachment has its own");
        let (ctl, seg) = memory.for_client().map_err(system)?;
        let for_it = match client.fills {
            true => for_filler(frames, is_converter),
            false => frames.for_client(),
        };
        let descriptors = [ctl, seg, for_it.map_err(system)?];
        let filled = frames.clone();
        let connected = connect(services, self.index, &memory, client, watched)?;
        let (who, library) = (
            connected.client.who.clone(),
            connected.client.library.clone(),
        );
        let message = convert::attached(self, number, &connected);
        if let Some(watched) = &connected.watched {
            certificate::add_files(&mut self.watched, &watched.files);
        }
        let admission = Admission {
            number,
            who: who.clone(),
            memory: Arc::clone(&memory),
            frames: own_frames.clone(),
            fills: connected.client.fills,
            samples: connected.client.samples,
            watched: connected.watched.as_ref().map(|it| it.proof.tgid),
            quota: convert::quota_of(&self.spec, &connected.client),
            after: connected.client.after,
        };
        let (is_watched, writes) = (
            admission.watched.is_some(),
            admission.fills || own_frames.is_some(),
        );
        // Before the core knows the client: its effects find the connection by this number.
        self.connected.insert(number, connected);
        let admitted = self.handle(services, Event::Admit(Box::new(admission)));
        if let Progress::NotAdmitted(refused) = admitted {
            self.connected.remove(number);
            return Err(limit(refused.to_string()));
        }
        let owner = (self.id.0, number);
        // Before the client has the descriptors: from its first write on, a hole that it punches is noticed.
        services.machine.guard(memory.writable(), owner);
        if writes && filled.freshness().is_none_or(|it| it.is_complete()) {
            services.machine.guard(filled.file().as_fd(), owner);
        }
        if let Some(more) = services.lines.clients.note(who.uid, services.machine.now()) {
            tracing::info!(
                session = %self.id, attachment = number, pid = who.pid, command = %who.command,
                watched = is_watched, more, "attached"
            );
        }
        let attached = EventKind::ClientAttached {
            attachment: number,
            pid: who.pid,
            command: who.command,
            client_version: library,
        };
        self.publish(services, who.uid, attached);
        Ok((message, descriptors))
    }
}

/// Registers the client with the probe and the owner-death notifier. `index` is the session's in the probe's counters.
fn connect(
    services: &mut Services,
    index: u32,
    memory: &AttachmentMemory,
    client: ClientProcess,
    watched: Option<Watched>,
) -> Result<Connected, Problem> {
    let (session, number) = (memory.session(), memory.attachment());
    if let Some(watched) = &watched {
        let event_counts = memory.event_counts().map_err(system)?;
        watched.sites.watch_event_counts(session, event_counts);
        let registered = (services.machine).register(&watched.proof, session, number, index);
        registered.map_err(|error| Problem::new(ProblemCode::ProbeBlind, error.to_string()))?;
    }
    let life = services.machine.hang(memory).map_err(|error| {
        if let Some(watched) = &watched {
            // The registration is new; a failure to undo it is logged there.
            let _ = services
                .machine
                .unregister(watched.proof.tgid, session, number);
        }
        limit(error)
    })?;
    Ok(Connected {
        client,
        watched,
        life: Some(life),
        outlived: None,
    })
}

/// The frames for the next filler: no process can write to them.
fn for_filler(frames: &FrameMemory, is_converter: bool) -> std::io::Result<OwnedFd> {
    // Of a converted session's frames pinned pages are asked for at its end.
    if !is_converter {
        frames.file().forbid_seals()?;
    }
    if let Some(freshness) = frames.freshness() {
        freshness.begin_tenure();
    }
    frames.file().for_filler()
}

/// Maximum number of attachments at a time.
fn most(spec: &SessionSpec) -> u32 {
    match spec.direction {
        Direction::Receive | Direction::Local => spec.max_attachments,
        // Two applications cannot fill one flow.
        Direction::Send => 1,
    }
}

fn limit(what: String) -> Problem {
    Problem::new(ProblemCode::LimitReached, what)
}

fn system(error: std::io::Error) -> Problem {
    limit(format!("cannot allocate memory: {error}"))
}
