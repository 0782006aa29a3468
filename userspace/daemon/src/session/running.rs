//! Stopping and starting: the gates, and the runtime's way to a poller and back.

use std::time::{Duration, Instant};

use onair_ipc::event::EventKind as ClientEvent;
use onair_mutant::mutant;
use onair_types::{EventKind, Problem, ProblemCode, SessionView, StepName, Timestamp};

use super::{Place, Session};
use crate::control::action::Reply;
use crate::dataplane::{Command, Runtime};
use crate::services::Services;

impl Session {
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
        self.forget_sites();
        self.stopped_at = Some(Timestamp::now());
        self.audit.begin_stop();
        self.audit.counts.attachments_at_stop = self.attachments.len() as u64;
        self.audit.counts.blocked_at_stop = self
            .attachments
            .values()
            .flat_map(|attachment| attachment.memory.slots())
            .map(|slot| slot.calls())
            .sum();
        for attachment in self.attachments.values() {
            attachment.memory.stop();
        }
        for attachment in self.attachments.values() {
            services.waking.enter(&attachment.memory);
        }
        // The first of them now, the others in the actor's turns.
        services.waking.turn();
        self.audit.note(StepName::GatesClosed);
        match self.place {
            Place::Poller => {
                self.place = Place::Returning;
                self.quiesce_sent = Some(Instant::now());
                services.command(self.poller, Command::Quiesce(self.id.0));
            }
            // It came back before it was stopped: its poller died, or did not take it.
            Place::Here(_) => self.audit.note(StepName::PollersQuiesced),
            Place::Returning => {}
        }
        self.rescan.begin();
        let first = Duration::from_millis(services.config.timeouts.drain_warning_ms);
        self.warnings.begin(Instant::now(), first);
        tracing::info!(session = %self.id, name = %self.spec.name, "stopped");
        let stopped = EventKind::SessionStopped {
            attachments: self.audit.counts.attachments_at_stop,
            callers: self.audit.counts.blocked_at_stop,
        };
        self.tell(services, stopped);
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
            self.settle();
            self.evict_violators(services);
            let Place::Here(runtime) = std::mem::replace(&mut self.place, Place::Poller) else {
                unreachable!("looked at above");
            };
            self.running = true;
            self.generation += 1;
            self.stopped_at = None;
            self.warnings.end();
            services.command(self.poller, Command::Start(runtime));
            for attachment in self.attachments.values().filter(|it| !it.disconnected) {
                attachment.memory.disarm_kick();
                attachment.memory.start();
                attachment
                    .memory
                    .notify(ClientEvent::Started, self.generation);
            }
            tracing::info!(session = %self.id, name = %self.spec.name, "started");
            let started = EventKind::SessionStarted {
                generation: self.generation,
            };
            self.tell(services, started);
        }
        for reply in std::mem::take(&mut self.starts) {
            // The requester may have gone.
            let _ = reply.send(Ok(self.view()));
        }
    }

    /// The poller handed the runtime back; of a session that runs only if the poller has died.
    pub fn handed_back(&mut self, services: &mut Services, runtime: Box<Runtime>) {
        self.take_over(services, runtime);
        self.quiesce_sent = None;
        if self.running {
            self.stop(services);
        }
        self.audit.note(StepName::PollersQuiesced);
        self.try_start(services);
    }

    /// What its poller was told since, and what happened meanwhile, is done here.
    fn take_over(&mut self, services: &mut Services, runtime: Box<Runtime>) {
        self.place = Place::Here(runtime);
        self.settle_flushes();
        self.settle();
        self.forget_credits(services);
        self.settle_evictions(services);
        self.settle_departures(services);
    }

    /// A poller did not take the session: it is stopped again.
    pub fn refused(&mut self, services: &mut Services, runtime: Box<Runtime>) {
        self.take_over(services, runtime);
        self.running = true;
        self.stop(services);
    }

    /// Takes back what nobody took, and credits what was given back, if the ledgers are here.
    pub(super) fn settle(&mut self) {
        let Place::Here(runtime) = &mut self.place else {
            return;
        };
        runtime.settle();
        for lender in runtime.lenders_mut() {
            if let Some(violation) = lender.take_violation() {
                self.violators.insert(lender.attachment(), violation);
            }
        }
    }

    /// Stops it if its time is over.
    pub(super) fn expire(&mut self, services: &mut Services, now: Instant) {
        if self.expires_at.is_none_or(|at| at > now) {
            return;
        }
        self.expires_at = None;
        if self.running {
            tracing::info!(session = %self.id, name = %self.spec.name, "its duration has passed");
            self.stop(services);
        }
    }

    /// It ends otherwise: its time does not stop it any more.
    pub fn cancel_timer(&mut self) {
        self.expires_at = None;
    }

    /// Tells the clients that the service goes away, before their calls say so.
    pub fn announce_end(&self) {
        if mutant!("shutdown: clients get no draining event") {
            return;
        }
        for attachment in self.attachments.values() {
            attachment.memory.notify(ClientEvent::Draining, 0);
        }
    }
}
