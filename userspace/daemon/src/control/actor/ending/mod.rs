//! Carries out the shutdown of all sessions, which [`ShutdownCore`] decides.

pub(super) mod retired;

use std::collections::BTreeMap;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use onair_api::{Operation, SessionOutcome};
use onair_session::shutdown::{
    Remedy, ShutdownCore, ShutdownEffect, ShutdownEvent, ShutdownOrder, ShutdownStep, ToEnd,
};
use onair_session::{Destroy, Event, Examination, Ticket};

use super::Actor;
use super::requests::operators::millis;
use crate::config::{Policy, ms};
use crate::control::command::{ActorCommand, Drain, Drained};
use crate::services::reply::Reply;
use crate::services::this_daemon;
use crate::session::SessionTotals;

/// Time that one step of the shutdown may stop and destroy: requests are served between two steps.
const BUDGET: Duration = Duration::from_millis(2);
/// Time limit for naming client threads on the control thread itself.
const NAMING: Duration = Duration::from_millis(50);
/// Time limit of the last look at memory that waits to be freed.
const SWEEP: Duration = Duration::from_secs(1);

/// The shutdown, before it and in progress.
#[derive(Debug, Default)]
pub(super) struct Ending {
    core: ShutdownCore,
    /// When the next step is due.
    pub(super) wake_at: Option<Instant>,
    /// Receives the result.
    reply: Option<SyncSender<Drained>>,
    /// Totals of all sessions that existed at the start; they outlive the sessions.
    totals: BTreeMap<u64, SessionTotals>,
}

impl Ending {
    /// Whether the sessions are being ended.
    pub(super) fn has_begun(&self) -> bool {
        self.core.is_draining()
    }

    /// Tells the core what has happened.
    pub(super) fn note(&mut self, event: ShutdownEvent) {
        self.core.handle(event, Instant::now());
    }
}

impl Actor {
    pub(super) fn handle_command(&mut self, command: ActorCommand) {
        match command {
            ActorCommand::Announce => {
                let all = self.sessions.ids().collect();
                self.ending.note(ShutdownEvent::Announce(all));
            }
            ActorCommand::Drain(drain) => self.begin_ending(drain),
            ActorCommand::Publish(kind) => self.services.hub.publish(None, kind),
            ActorCommand::Dump(reply) => self.report().dump(reply),
            ActorCommand::Run(task) => task.run(&mut self.services),
        }
    }

    fn begin_ending(&mut self, drain: Drain) {
        let remaining = drain.deadline.saturating_duration_since(Instant::now());
        tracing::info!(sessions = self.sessions.count(), ?remaining, "draining");
        self.sessions.follow_states();
        let sessions = self.sessions.living().map(|it| ToEnd {
            id: it.id.0,
            priority: it.spec.priority,
            state: it.state(),
        });
        let order = ShutdownOrder {
            sessions: sessions.collect(),
            deadline: drain.deadline,
            remedy: match self.shutdown.config().policy {
                Policy::Refuse => Remedy::Abandon,
                Policy::Evict => Remedy::Evict,
                Policy::Quarantine => Remedy::Quarantine,
            },
            quiesce: ms(self.services.config.timeouts.quiesce_ms),
        };
        let totals = self.sessions.living().map(|it| (it.id.0, it.totals()));
        self.ending.totals = totals.collect();
        self.ending.reply = Some(drain.reply);
        self.ending.note(ShutdownEvent::Drain(order));
    }

    /// Continues the shutdown, for a few milliseconds at most. Returns whether there is nothing
    /// left to wait for: every session is destroyed, or the remaining ones cannot be ended.
    pub(super) fn is_over(&mut self) -> bool {
        let began = Instant::now();
        loop {
            self.report_to_ending();
            match self.ending.core.next(Instant::now()) {
                ShutdownStep::Do(effect) => self.end_some(effect),
                ShutdownStep::Wait(until) => {
                    self.ending.wake_at = until;
                    return false;
                }
                ShutdownStep::Over => return true,
            }
            if began.elapsed() >= BUDGET {
                self.ending.wake_at = Some(began);
                return false;
            }
        }
    }

    /// Tells the core what has happened since its last effect.
    fn report_to_ending(&mut self) {
        if !self.ending.has_begun() {
            return;
        }
        for (id, state) in self.sessions.take_states() {
            self.ending.note(match state {
                Some(state) => ShutdownEvent::State(id, state),
                None => ShutdownEvent::Ended(id),
            });
        }
        if !self.due.is_empty() {
            self.ending.note(ShutdownEvent::ToExamine);
        }
        if self.shutdown.is_forced() {
            self.ending.note(ShutdownEvent::Forced);
        }
    }

    fn end_some(&mut self, effect: ShutdownEffect) {
        match effect {
            ShutdownEffect::Announce(id) => {
                if let Some(session) = self.sessions.get(id) {
                    session.announce_end();
                }
            }
            ShutdownEffect::Stop(id) => {
                if let Some(mut session) = self.sessions.get_mut(id) {
                    let _ = session.handle(&mut self.services, Event::CancelTimer);
                    // It is examined when its destroy begins.
                    let _ = session.handle(&mut self.services, Event::Stop);
                }
            }
            ShutdownEffect::EndRecordings => self.end_recordings(),
            ShutdownEffect::BeginDestroy {
                id,
                deadline,
                remaining,
            } => {
                let destroy = Destroy {
                    who: this_daemon(std::process::id()),
                    operation: Operation::Shutdown,
                    deadline: Some(deadline),
                    deadline_ms: Some(millis(remaining)),
                    waits_for_turn: true,
                    // No requester reads this answer: the certificate is in the archive.
                    ticket: Ticket::unread(),
                };
                self.handle(id, Event::Destroy(destroy));
            }
            ShutdownEffect::ExamineAll => {
                let all: Vec<u64> = self.sessions.ids().collect();
                all.into_iter().for_each(|id| self.examine_soon(id));
            }
            ShutdownEffect::Examine => self.examine_first(),
            ShutdownEffect::EndInTurn(ids) => {
                self.examine(&ids.into_iter().collect(), Examination::InTurn);
            }
            ShutdownEffect::Abandon(id) => self.warn_in_use(id),
            ShutdownEffect::Abort { id, deadline } => {
                self.warn_in_use(id);
                let who = this_daemon(std::process::id());
                // No requester reads this answer: the certificate is in the archive.
                self.begin_abort(id, who, deadline, true, Reply::unread());
            }
            ShutdownEffect::Quarantine(id) => {
                self.warn_in_use(id);
                let who = this_daemon(std::process::id());
                if let Err(problem) = self.quarantine_now(id, who) {
                    tracing::error!(%problem, "not quarantined");
                }
            }
            ShutdownEffect::CountUsers => {
                let users = self.sessions.living().map(|it| it.core.users()).sum();
                let sessions = self.sessions.count() as u64;
                self.shutdown.set_progress(sessions, users);
            }
        }
    }

    fn warn_in_use(&self, id: u64) {
        let policy = self.shutdown.config().policy;
        if let Some(session) = self.sessions.get(id) {
            tracing::warn!(session = %session.id, name = %session.spec.name, ?policy, "still in use");
        }
    }

    /// Gives up the remaining sessions, and answers the coordinator.
    pub(super) fn end(&mut self) {
        self.sweep_until(Instant::now() + SWEEP);
        let ending = std::mem::take(&mut self.ending);
        let until = Instant::now() + NAMING;
        let close = |(id, outcome): (u64, SessionOutcome)| {
            let totals = ending.totals.get(&id)?;
            let left = self.sessions.any(id);
            let draft = left.map(|it| it.draft_blockers(&self.services));
            let blockers = draft.map(|it| it.list(until)).unwrap_or_default();
            Some(totals.close(outcome, blockers))
        };
        let sessions = ending.core.outcomes().filter_map(close).collect();
        let services = &mut self.services;
        self.sessions.change_each(|session| {
            let _ = session.handle(services, Event::Abandon);
        });
        let drained = Drained {
            sessions,
            destroyed: self.numbers.destroyed(),
        };
        if let Some(reply) = ending.reply {
            // The coordinator may have abandoned the actor.
            let _ = reply.send(drained);
        }
    }
}
