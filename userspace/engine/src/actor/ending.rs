//! Carries the shutdown of all sessions, which [`crate::sessions::ending`] does.

use std::time::Duration;

use onair_api::{Operation, SessionSpec};
use onair_session::shutdown::{ShutdownEffect, ShutdownEvent, ShutdownStep};
use onair_session::{Event, Examination};
use onair_settings::access::peer::this_daemon;
use onair_settings::config::ms;

use super::Actor;
use crate::inputs::{ActorCommand, Drain, Drained};
use crate::session::sweep_to_the_end;
use crate::sessions::ending::{destroy, last_units};

/// Time that one step of the shutdown may stop and destroy: requests are served between two steps.
const BUDGET: Duration = Duration::from_millis(2);
/// Time limit of the last look at memory that waits to be freed.
const SWEEP: Duration = Duration::from_secs(1);

impl Actor {
    pub(super) fn handle_command(&mut self, command: ActorCommand) {
        match command {
            ActorCommand::Announce => {
                let all = self.sessions.ids().collect();
                let now = self.services.machine.now();
                self.ending.note(ShutdownEvent::Announce(all), now);
            }
            ActorCommand::Drain(Drain { deadline, reply }) => {
                let policy = self.services.machine.shutdown().config().policy;
                let quiesce = ms(self.services.config.timeouts.quiesce_ms);
                let now = self.services.machine.now();
                let services = &self.services;
                let last_units = |spec: &SessionSpec| last_units(spec, services);
                let sessions = &mut self.sessions;
                self.ending
                    .begin(sessions, now, deadline, policy, quiesce, last_units);
                self.hand_over_ready();
                self.drained = Some(reply);
            }
            ActorCommand::Publish(kind) => self.services.hub.publish(None, kind),
            ActorCommand::Dump(reply) => self.report().dump(reply),
            ActorCommand::Run(task) => task.run(&mut self.services),
        }
    }

    /// Continues the shutdown, for a few milliseconds at most. Returns whether there is nothing
    /// left to wait for: every session is destroyed, or the remaining ones cannot be ended.
    pub fn is_over(&mut self) -> bool {
        let began = self.services.machine.now();
        loop {
            let (sessions, has_due) = (&mut self.sessions, !self.due.is_empty());
            let now = self.services.machine.now();
            let is_forced = self.services.machine.shutdown().is_forced();
            match self.ending.next(sessions, now, is_forced, has_due) {
                ShutdownStep::Do(effect) => self.end_some(effect),
                ShutdownStep::Wait(until) => {
                    self.ending.wake_at = until;
                    return false;
                }
                ShutdownStep::Over => return true,
            }
            if self.services.machine.now() - began >= BUDGET {
                self.ending.wake_at = Some(began);
                return false;
            }
        }
    }

    fn end_some(&mut self, effect: ShutdownEffect) {
        let policy = self.services.machine.shutdown().config().policy;
        match effect {
            ShutdownEffect::Announce(id) => self.sessions.announce_end(id),
            ShutdownEffect::Stop(id) => self.sessions.stop_at_end(&mut self.services, id),
            ShutdownEffect::EndRecordings => self.taps().end_all(),
            ShutdownEffect::BeginDestroy {
                id,
                deadline,
                remaining,
            } => {
                let destroy = destroy(Operation::Shutdown, deadline, Some(remaining));
                self.handle(id, Event::Destroy(destroy));
            }
            ShutdownEffect::ExamineAll => self.examine_all_soon(),
            ShutdownEffect::Examine => self.examine_first(),
            ShutdownEffect::EndInTurn(ids) => {
                self.examine(&ids.into_iter().collect(), Examination::InTurn);
            }
            ShutdownEffect::Abandon(id) => self.sessions.warn_in_use(id, policy),
            ShutdownEffect::Abort { id, deadline } => {
                self.sessions.warn_in_use(id, policy);
                let abort = destroy(Operation::Abort, deadline, None);
                self.handle(id, Event::Abort(abort));
            }
            ShutdownEffect::Quarantine(id) => {
                self.sessions.warn_in_use(id, policy);
                let who = this_daemon(std::process::id());
                if let Err(problem) = self.quarantine_now(id, who) {
                    tracing::error!(%problem, "not quarantined");
                }
            }
            ShutdownEffect::CountUsers => {
                let sessions = self.sessions.count() as u64;
                let users = self.sessions.living().map(|it| it.core.users());
                let shutdown = self.services.machine.shutdown();
                shutdown.set_progress(sessions, users.sum());
            }
        }
    }

    /// Gives up the remaining sessions, and answers the coordinator.
    pub fn end(&mut self) {
        let until = self.services.machine.now() + SWEEP;
        sweep_to_the_end(&mut self.services, until);
        let sessions = self.ending.finish(&mut self.sessions, &mut self.services);
        self.services.waking.finish();
        let destroyed = self.sessions.numbers.destroyed();
        if let Some(reply) = self.drained.take() {
            // The coordinator may have abandoned the actor.
            let _ = reply.send(Drained {
                sessions,
                destroyed,
            });
        }
    }
}
