//! Stop and start: the gates, and the runtime's way to a poller and back.

use std::time::{Duration, Instant};

use onair_ipc::event::EventKind as ClientEvent;
use onair_mutant::mutant;
use onair_types::{EventKind, Problem, ProblemCode, SessionView, StepName, Timestamp};

use super::Session;
use super::lifecycle::{HandBack, Start, Stop};
use crate::dataplane::{Command, Runtime};
use crate::reply::Reply;
use crate::services::Services;

impl Session {
    /// Stops it: closes every gate, wakes every caller, tells the poller to hand the runtime back.
    /// No effect if it is stopped.
    pub fn stop(&mut self, services: &mut Services) {
        match self.lifecycle.stop(Instant::now()) {
            Stop::Begun => {
                self.close_gates(services);
                services.command(self.poller, Command::Quiesce(self.id.0));
                self.note_stopped(services);
            }
            Stop::Already(starts) => refuse_starts(
                starts,
                ProblemCode::Draining,
                "the session was stopped before it had started",
            ),
        }
    }

    fn close_gates(&mut self, services: &mut Services) {
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
        // Wakes the first callers now, the others in the actor's turns.
        services.waking.turn();
        self.audit.note(StepName::GatesClosed);
    }

    fn note_stopped(&mut self, services: &mut Services) {
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

    /// Starts it; the reply is sent once the poller has it, or at once if it runs.
    pub fn start(&mut self, services: &mut Services, reply: Reply<SessionView>) {
        match self.lifecycle.start(reply) {
            Start::Possible(reply) => self.start_now(services, vec![reply]),
            Start::Running(reply) => {
                reply.send(Ok(self.view()));
            }
            Start::Waits => {}
            Start::Refused(reply, refusal) => {
                reply.send(Err(self.refusal(refusal)));
            }
        }
    }

    /// Hands the runtime, which is here, to its poller, and answers `replies`.
    fn start_now(&mut self, services: &mut Services, replies: Vec<Reply<SessionView>>) {
        if replies.is_empty() {
            return;
        }
        if !services.is_alive(self.poller) {
            let what = "the poller of the session's port has died: restart the daemon";
            return refuse_starts(replies, ProblemCode::DataplaneBusy, what);
        }
        self.settle_departures(services);
        self.settle();
        self.evict_violators(services);
        let Some(runtime) = self.lifecycle.hand_over() else {
            unreachable!("the callers have seen that it is here");
        };
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
        for reply in replies {
            reply.send(Ok(self.view()));
        }
    }

    /// A poller handed the runtime back: it was told to, it did not take the session, or it has
    /// died. Applies the commands sent to the poller since, and what happened meanwhile.
    pub fn handed_back(&mut self, services: &mut Services, runtime: Box<Runtime>) {
        let came = self.lifecycle.hand_back(runtime);
        self.settle_flushes();
        self.settle();
        self.forget_credits(services);
        self.settle_evictions(services);
        self.settle_departures(services);
        match came {
            HandBack::Asked(starts) => {
                self.audit.note(StepName::PollersQuiesced);
                self.start_now(services, starts);
            }
            HandBack::Unasked => {
                self.close_gates(services);
                self.audit.note(StepName::PollersQuiesced);
                self.note_stopped(services);
            }
            HandBack::Unexpected(_) => {
                tracing::error!(session = %self.id, name = %self.spec.name, "a second runtime came back");
            }
        }
    }

    /// If the ledgers are here, takes back frames that no client took, and credits those given
    /// back.
    pub(super) fn settle(&mut self) {
        let Some(runtime) = self.lifecycle.runtime_mut() else {
            return;
        };
        runtime.settle();
        for lender in runtime.lenders_mut() {
            if let Some(violation) = lender.take_violation() {
                self.violators.insert(lender.attachment(), violation);
            }
        }
    }

    /// Stops it if its duration has passed.
    pub(super) fn expire(&mut self, services: &mut Services, now: Instant) {
        if self.expires_at.is_none_or(|at| at > now) {
            return;
        }
        self.expires_at = None;
        if self.lifecycle.is_running() {
            tracing::info!(session = %self.id, name = %self.spec.name, "its duration has passed");
            self.stop(services);
        }
    }

    /// Cancels the timer: it ends in another way.
    pub fn cancel_timer(&mut self) {
        self.expires_at = None;
    }

    /// Announces the shutdown to the clients, before their calls return it.
    pub fn announce_end(&self) {
        if mutant!("shutdown: clients get no draining event") {
            return;
        }
        for attachment in self.attachments.values() {
            attachment.memory.notify(ClientEvent::Draining, 0);
        }
    }
}

pub(super) fn refuse_starts(starts: Vec<Reply<SessionView>>, code: ProblemCode, what: &str) {
    for reply in starts {
        reply.send(Err(Problem::new(code, what)));
    }
}
