//! How a client joins a session.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use onair_ipc::frames::FrameMemory;
use onair_ipc::lender::Lender;
use onair_ipc::memory::{AttachmentMemory, State};
use onair_ipc::message::Attached;
use onair_probe::share::Owner;
use onair_types::{Direction, EventKind, Problem, ProblemCode};

use super::attachment::{Attachment, Client, Watched};
use super::burying::ThreadLooks;
use super::sites::SiteLooks;
use super::{Place, Session, certificate, convert};
use crate::dataplane::{AttachRefusal, Command};
use crate::services::Services;

impl Session {
    /// Whether one more client may begin to attach.
    ///
    /// # Errors
    /// `draining`, `limit_reached`.
    pub fn reserve(&mut self, services: &Services, owner: Owner) -> Result<(), Problem> {
        if self.lifecycle.destroy().is_some() {
            return Err(Problem::new(
                ProblemCode::Draining,
                format!("session {} is being destroyed", self.spec.name),
            ));
        }
        if self.is_full() {
            return Err(Problem::new(
                ProblemCode::LimitReached,
                format!(
                    "session {} has {} attachments, as many as it allows",
                    self.spec.name,
                    self.most()
                ),
            ));
        }
        self.check_left_clients(services, owner)
            .map_err(|refused| {
                let name = &self.spec.name;
                let detail = format!("session {name}: {refused}");
                Problem::new(ProblemCode::LimitReached, detail)
            })?;
        self.proving += 1;
        Ok(())
    }

    /// Maximum number of attachments at a time.
    fn most(&self) -> u32 {
        match self.spec.direction {
            Direction::Receive => self.spec.max_attachments,
            // Two applications cannot fill one flow.
            Direction::Send => 1,
        }
    }

    /// Whether all attachment slots are taken.
    pub fn is_full(&self) -> bool {
        let taken = self.attachments.len() as u64
            + u64::from(self.proving)
            + self.evicted_clients.seats(self.spec.direction);
        taken >= u64::from(self.most())
    }

    /// Whether a client has left that still occupies a slot: until its poller has handed its ledger
    /// back, and as long as the process has the memory.
    pub fn is_settling(&self) -> bool {
        !self.leaving.is_empty() || self.attachments.values().any(|it| it.disconnected)
    }

    /// Returns a reservation.
    pub fn unreserve(&mut self) {
        self.proving = self.proving.saturating_sub(1);
    }

    /// Admits a client that has a reservation: creates its memory, registers it with the probe, and
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
    ) -> Result<(Attached, [OwnedFd; 3]), Problem> {
        self.unreserve();
        if self.lifecycle.destroy().is_some() {
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
                    "process {} is already attached to session {}: its threads share one attachment",
                    client.who.pid, self.spec.name
                ),
            ));
        }
        let limit = |what: String| Problem::new(ProblemCode::LimitReached, what);
        let system = |error: std::io::Error| limit(format!("cannot allocate memory: {error}"));
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
        if let Some(watched) = &watched {
            let bells = memory.bells().map_err(system)?;
            watched.armed.sight.watch_bells(self.id.0, bells);
        }
        if let (Some(watched), Some(probe)) = (&watched, services.probe.probe()) {
            probe
                .register(&watched.proof, self.id.0, number, self.index)
                .map_err(|error| Problem::new(ProblemCode::ProbeBlind, error.to_string()))?;
        }
        let life = match services.bell.hang(&memory) {
            Ok(place) => Some(place),
            Err(error) => {
                if let (Some(watched), Some(probe)) = (&watched, services.probe.probe()) {
                    // The registration is new; a failure to undo it is logged there.
                    let _ = probe.unregister(watched.proof.tgid, self.id.0, number);
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
            outlived: None,
            fruitless_kicks: 0,
            crediting: Vec::new(),
            exits: Vec::new(),
            threads: ThreadLooks::default(),
            sites: SiteLooks::default(),
        };
        match self.lifecycle.place_mut() {
            Place::Here(runtime) => {
                if let Err((refused, _, _)) = runtime.attach(lender, own_frames) {
                    attachment.close(State::Gone, services);
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
        let owner = (self.id.0, number);
        services.guard.watch(attachment.memory.writable(), owner);
        if let Some(frames) = &attachment.frames {
            services.guard.watch(frames.file(), owner);
        }
        attachment.memory.open();
        if self.lifecycle.is_running() {
            attachment.memory.start();
        }
        let armed = attachment.watched.as_ref().map(|watched| &watched.armed);
        certificate::add_files(&mut self.watched, armed);
        self.audit.counts.attachments += 1;
        let who = &attachment.client.who;
        tracing::info!(
            session = %self.id, attachment = number, pid = who.pid, command = %who.command,
            watched = attachment.watched.is_some(), "attached"
        );
        let attached = EventKind::ClientAttached {
            attachment: number,
            pid: who.pid,
            command: who.command.clone(),
            client_version: attachment.client.library.clone(),
        };
        self.tell(services, attached);
        self.attachments.insert(number, attachment);
        Ok((message, descriptors))
    }

    /// A poller did not take an attachment because it did not have the session. The attachment is
    /// added here, or sent again if the poller has the session since. An attachment that does not
    /// fit at all ends when its process does.
    pub fn attach_refused(
        &mut self,
        services: &mut Services,
        lender: Box<Lender>,
        frames: Option<FrameMemory>,
        reason: AttachRefusal,
    ) {
        let number = lender.attachment();
        if !self.attachments.contains_key(&number) {
            // It was evicted meanwhile, and had no loans.
            return;
        }
        let Some(runtime) = self.lifecycle.runtime_mut() else {
            if reason != AttachRefusal::NoSession {
                tracing::error!(session = %self.id, attachment = number, %reason, "not attached");
                return;
            }
            let session = self.id.0;
            let again = Command::Attach {
                session,
                lender,
                frames,
            };
            services.command(self.poller, again);
            if self.leaving.contains_key(&number) {
                // The earlier request found no attachment to remove.
                let attachment = number;
                services.command(
                    self.poller,
                    Command::Detach {
                        session,
                        attachment,
                    },
                );
            }
            return;
        };
        if let Err((reason, _, _)) = runtime.attach(lender, frames) {
            tracing::error!(session = %self.id, attachment = number, %reason, "not attached");
        }
        self.settle_departures(services);
    }

    /// A client changed its memory with a system call, for example by punching a hole. It is
    /// evicted, because a thread that reads the memory would take page faults.
    pub fn memory_touched(&mut self, services: &mut Services, number: u64) {
        let Some(attachment) = self.attachments.get(&number) else {
            return;
        };
        tracing::error!(
            session = %self.id, attachment = number, pid = attachment.client.who.pid,
            "a client punched a hole in its memory, or wrote it with a system call: it is evicted"
        );
        self.violated(services, number);
    }
}
