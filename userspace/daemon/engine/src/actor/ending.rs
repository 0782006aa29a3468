//! Carries the shutdown of all sessions, which [`crate::sessions::ending`] does.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use onair_api::{Operation, SessionSpec};
use onair_mutant::mutant;
use onair_session::shutdown::{ShutdownEffect, ShutdownEvent, ShutdownStep};
use onair_session::{AwaitedTurn, Event, Examination};
use onair_settings::access::peer::this_daemon;
use onair_settings::config::ms;

use super::Actor;
use crate::engine::Engine;
use crate::inputs::{ActorCommand, Drain, Drained};
use crate::machine::Charge;
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
                let all = self.engine.sessions.ids().collect();
                let now = self.engine.services.machine.now();
                self.engine.ending.note(ShutdownEvent::Announce(all), now);
            }
            ActorCommand::Drain(Drain { deadline, reply }) => {
                let engine = &mut self.engine;
                let shutdown = engine.services.machine.shutdown();
                let (config, hands_over) = (shutdown.config(), shutdown.is_takeover());
                let policy = (config.policy, hands_over);
                let quiesce = ms(engine.services.config.timeouts.quiesce_ms);
                // It comes after the graceful time-out, when the control thread has `handler_ms` for all.
                let quiesce = quiesce.min(config.handler() * 4 / 5);
                let now = engine.services.machine.now();
                let services = &engine.services;
                let last_units = |spec: &SessionSpec| last_units(spec, services);
                let sessions = &mut engine.sessions;
                engine
                    .ending
                    .begin(sessions, now, deadline, policy, quiesce, last_units);
                self.hand_over_ready();
                self.drained = Some(reply);
            }
            ActorCommand::Publish(kind) => self.engine.services.hub.publish(None, kind),
            ActorCommand::Dump(reply) => self.engine.report().dump(reply),
            ActorCommand::Run(task) => task.run(&mut self.engine.services),
        }
    }

    /// The shutdown has begun, which ends each session in its own turn.
    fn hand_over_ready(&mut self) {
        let engine = &mut self.engine;
        let is_ready =
            |id: &u64| engine.sessions[*id].core.life().awaited_turn() == AwaitedTurn::Ready;
        let ready: Vec<u64> = engine.sessions.ids().filter(is_ready).collect();
        let now = engine.services.machine.now();
        for id in ready {
            engine.ending.note(ShutdownEvent::Ready(id), now);
        }
    }

    /// Continues the shutdown, for a few milliseconds at most. Returns whether there is nothing
    /// left to wait for: every session is destroyed, or the remaining ones cannot be ended.
    pub fn is_over(&mut self) -> bool {
        let began = self.engine.services.machine.now();
        loop {
            let (sessions, has_due) = (&mut self.engine.sessions, !self.engine.due.is_empty());
            let now = self.engine.services.machine.now();
            let is_forced = self.engine.services.machine.shutdown().is_forced();
            match self.engine.ending.next(sessions, now, is_forced, has_due) {
                ShutdownStep::Do(effect) => self.end_some(effect),
                ShutdownStep::Wait(until) => {
                    self.engine.ending.wake_at = until;
                    return false;
                }
                ShutdownStep::Over => return true,
            }
            if self.engine.services.machine.now() - began >= BUDGET {
                self.engine.ending.wake_at = Some(began);
                return false;
            }
        }
    }

    fn end_some(&mut self, effect: ShutdownEffect) {
        let engine = &mut self.engine;
        let policy = engine.services.machine.shutdown().config().policy;
        match effect {
            ShutdownEffect::Announce(id) => engine.sessions.announce_end(id),
            ShutdownEffect::Stop(id) => engine.sessions.stop_at_end(&mut engine.services, id),
            ShutdownEffect::EndRecordings => engine.taps().end_all(),
            ShutdownEffect::BeginDestroy {
                id,
                deadline,
                remaining,
            } => {
                let destroy = destroy(Operation::Shutdown, deadline, Some(remaining));
                engine.handle(id, Event::Destroy(destroy));
            }
            ShutdownEffect::ExamineAll => engine.examine_all_soon(),
            ShutdownEffect::Examine => self.examine_first(),
            ShutdownEffect::EndInTurn(ids) => {
                engine.examine(&ids.into_iter().collect(), Examination::InTurn);
            }
            ShutdownEffect::Abandon(id) => engine.sessions.warn_in_use(id, policy),
            ShutdownEffect::Abort { id, deadline } => {
                engine.sessions.warn_in_use(id, policy);
                let abort = destroy(Operation::Abort, deadline, None);
                engine.handle(id, Event::Abort(abort));
            }
            ShutdownEffect::Quarantine(id) => {
                engine.sessions.warn_in_use(id, policy);
                let who = this_daemon(std::process::id());
                if let Err(problem) = engine.quarantine_now(id, who) {
                    tracing::error!(%problem, "not quarantined");
                }
            }
            ShutdownEffect::LookForUsers => {
                let of_users = |id: &u64| {
                    let core = &engine.sessions[*id].core;
                    core.users() > 0 && core.runtime().is_some()
                };
                let used: Vec<u64> = engine.sessions.ids().filter(of_users).collect();
                let now = engine.services.machine.now();
                engine.ending.note(ShutdownEvent::Used(used), now);
            }
            ShutdownEffect::CountUsers => {
                let sessions = engine.sessions.count() as u64;
                let users = engine.sessions.living().map(|it| it.core.users());
                let shutdown = engine.services.machine.shutdown();
                shutdown.set_progress(sessions, users.sum());
            }
        }
    }

    /// Gives up the remaining sessions, and answers the coordinator. Before that, `leave` gets the files of each ended
    /// session of which processes have memory: a daemon that takes over completes the certificate.
    pub fn end(&mut self, mut leave: impl FnMut(Charge, Vec<OwnedFd>)) {
        let engine = &mut self.engine;
        sweep_to_the_end(&mut engine.services, SWEEP);
        match engine.left() {
            Ok(left) => left
                .into_iter()
                .for_each(|(charge, files)| leave(charge, files)),
            Err(error) => tracing::warn!(%error, "certificates stay pending"),
        }
        let sessions = engine
            .ending
            .finish(&mut engine.sessions, &mut engine.services);
        engine.services.waking.finish();
        let destroyed = engine.sessions.numbers.destroyed();
        if let Some(reply) = self.drained.take() {
            // The coordinator may have abandoned the actor.
            let _ = reply.send(Drained {
                sessions,
                destroyed,
            });
        }
    }
}

impl Engine {
    /// All files of each ended session of which processes have memory. A session that is still to end has no certificate.
    fn left(&self) -> io::Result<Vec<(Charge, Vec<OwnedFd>)>> {
        let mut all = BTreeMap::<_, (Charge, Vec<OwnedFd>)>::new();
        if mutant!("takeover: what clients keep is not left to the next daemon") {
            return Ok(Vec::new());
        }
        let aside = self.sessions.in_quarantine();
        let aside: Vec<_> = aside.map(|it| (it.charge(), it.core.memory())).collect();
        let aside = aside.iter().map(|(charge, it)| (*charge, it));
        let waiting = self.services.pending_reclaim.waiting();
        let waiting = waiting.filter(|(charge, _)| self.sessions.get(charge.session.0).is_none());
        for (charge, memory) in aside.chain(waiting) {
            let (_, files) = all.entry(charge.session.0).or_insert((charge, Vec::new()));
            for file in memory.files() {
                files.push(file.for_successor()?);
            }
        }
        Ok(all.into_values().collect())
    }
}
