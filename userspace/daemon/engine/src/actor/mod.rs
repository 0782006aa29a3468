//! The only owner of every session: takes actions, kicks, poller events and probe events, one at a
//! time, and acts on them.
//!
//! Nothing here blocks. Helper threads of the machine do what may hang or take long (reading a client's memory,
//! listing its threads) and answer with a message. The actor does everything else in short steps (`turn`,
//! [`crate::schedule`]).

mod turn;

use std::os::fd::OwnedFd;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use onair_api::{Operation, SessionSpec};
use onair_archive::PersistedSession;
use onair_mutant::mutant;
use onair_session::shutdown::{ShutdownEffect, ShutdownEvent, ShutdownStep};
use onair_session::{AwaitedTurn, Event, Examination, Ticket};
use onair_settings::access::peer::this_daemon;
use onair_settings::config::ms;
use onair_settings::diagnostics::rate_limit::RateLimit;
use onair_shares::{Owner, Rank};

use crate::engine::Engine;
use crate::inputs::{ActorCommand, Drain, Drained};
use crate::machine::Charge;
use crate::schedule::{TURN, Task};
use crate::services::Services;
use crate::services::rooms::Admission;
use crate::session::{Session, sweep_to_the_end};
use crate::sessions::Users;
use crate::sessions::ending::{destroy, last_units};

/// Interval of the looks at the pollers' turns: three in a row find a poller stalled, 25 lost.
const TURNS: Duration = Duration::from_millis(200);
/// Interval of the looks at links and traffic.
const TRAFFIC: Duration = Duration::from_millis(250);
/// Time that one step of the shutdown may stop and destroy: requests are served between two steps.
const BUDGET: Duration = Duration::from_millis(2);
/// Time limit of the last look at memory that waits to be freed.
const SWEEP: Duration = Duration::from_secs(1);

/// Owner of all sessions; runs on the control thread.
#[derive(Debug)]
pub struct Actor {
    engine: Engine,
    /// Receives the result of the shutdown.
    drained: Option<SyncSender<Drained>>,
    /// When the next periodic check is due.
    periodic_at: Instant,
    /// When the pollers' turns are looked at next.
    turns_at: Instant,
    /// When the traffic is looked at next.
    traffic_at: Instant,
    /// Probe events were lost: the probe did not report every thread that ended.
    exits_lost: bool,
    /// Limits the lines of that.
    lost_lines: RateLimit,
}

impl Actor {
    /// An actor without sessions.
    pub fn new(services: Services) -> Self {
        let now = services.machine.now();
        Self {
            engine: Engine::new(services),
            drained: None,
            periodic_at: now,
            turns_at: now,
            traffic_at: now,
            exits_lost: false,
            lost_lines: RateLimit::default(),
        }
    }

    /// The services, to be ended, after [`Self::end`].
    pub fn into_services(self) -> Services {
        self.engine.services
    }

    /// Checks that run each `timeouts.patrol_ms` in any case.
    fn run_periodic(&mut self, now: Instant) {
        if !mutant!("engine: the periodic check is always due") {
            self.periodic_at = now + ms(self.engine.services.config.timeouts.patrol_ms);
        }
        self.engine.services.machine.test_probe();
        self.engine.services.publish_probe_state();
        self.engine.services.look_at_ports(now);
        self.engine.services.archive.trim();
        self.engine.services.publish_fills();
        self.engine.services.archive.retry();
        self.engine.services.archive.settle();
        self.engine.services.store.retry();
        let (services, all) = (&mut self.engine.services, self.exits_lost);
        self.engine.sessions.change_each(|session| {
            // It only asks helper threads.
            let _ = session.handle(services, Event::LookForDead { all });
        });
    }

    /// Checks that notice within a second what a port or a session no longer does.
    fn look_at_traffic(&mut self, now: Instant) {
        self.traffic_at = now + TRAFFIC;
        self.engine.services.machine.dataplane_mut().check_ports();
        self.engine.services.follow_clock();
        self.engine.services.follow_ptp(now);
        self.engine.sessions.note_sources(&self.engine.services);
        self.engine.taps().note_degraded();
        let services = &mut self.engine.services;
        let look = |session: &mut Session| session.look_at_traffic(services, now);
        self.engine.sessions.change_each(look);
    }

    /// Notices pollers that make no turn, and those that make turns again.
    fn look_at_turns(&mut self, now: Instant) {
        self.turns_at = now + TURNS;
        let lost = self.engine.services.look_at_turns(now);
        if !lost.is_empty() {
            // What waits for one of them is refused.
            self.engine.examine_all_soon();
            let services = &mut self.engine.services;
            let refuse = |session: &mut Session| session.refuse_lost_retarget(services);
            self.engine.sessions.change_each(refuse);
        }
        for poller in lost {
            self.poller_lost(&poller, "it has made no turn for 5 s".to_owned());
        }
    }

    /// When [`Self::end_with_creators`] is due: not amid the shutdown, which ends all sessions.
    fn creators_due(&self, now: Instant) -> Option<Instant> {
        let outlived = self.engine.sessions.index.outlived.values();
        let due = outlived.map(|again| again.unwrap_or(now)).min();
        due.filter(|_| self.engine.check_service().is_ok())
    }

    /// Destroys sessions that end with their creator, for a turn's time at most.
    fn end_with_creators(&mut self, now: Instant) {
        let outlived = &self.engine.sessions.index.outlived;
        let due = outlived
            .iter()
            .filter(|(_, again)| again.is_none_or(|at| at <= now));
        let due: Vec<u64> = due.map(|(id, _)| *id).collect();
        for id in due {
            if self.engine.services.machine.now() - now >= TURN {
                return;
            }
            self.engine.end_with_creator(id, now);
        }
    }

    /// Whether no poller works any more: only a restart of the daemon helps.
    pub fn is_stalled(&self) -> bool {
        self.engine.services.is_stalled()
    }

    /// Creates the sessions of the configuration and the persisted sessions of an earlier daemon,
    /// before the first request. A session that cannot be created is named in the log and in
    /// `health`. Then the pollers get the ports that were open before: what waits in these is the sessions'.
    pub fn restore(&mut self) {
        let all = self.engine.services.store.take_restored();
        all.into_iter().for_each(|kept| self.bring_back(kept));
        self.engine.services.machine.dataplane_mut().check_ports();
    }

    fn bring_back(&mut self, kept: PersistedSession) {
        // It had its share when it was created: no share keeps it from being restored.
        let (uid, pid, rank) = (kept.owner.uid, 0, Rank::Root);
        let name = kept.spec.name.clone();
        let users = Users {
            owner: kept.owner,
            charged: Owner { uid, pid, rank },
            connection: None,
            admission: Admission::Restored,
        };
        let id = match self.engine.make(kept.spec, users) {
            Ok(id) => id,
            Err(problem) => {
                let detail = format!("session {name} does not come back: {problem}");
                tracing::error!("{detail}");
                self.engine.services.missing.push((uid, detail));
                return;
            }
        };
        self.engine.recorder.restored.insert(id);
        let running = kept.running || mutant!("restore: a stopped session starts");
        if let Some((mut session, _)) = self.engine.with(id) {
            session.member_of = kept
                .member_of
                .filter(|_| !mutant!("restore: a member leaves its group"));
            session.go_on(kept.generation, kept.stopped, kept.next_packet);
        }
        if running {
            // No requester reads this answer.
            self.engine.handle(id, Event::Start(Ticket::unread()));
        }
        tracing::info!(%name, running, "a session is restored");
    }

    fn handle_command(&mut self, command: ActorCommand) {
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
