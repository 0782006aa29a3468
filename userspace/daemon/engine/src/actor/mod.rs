//! The only owner of every session: takes actions, kicks, poller events and probe events, one at a
//! time, and acts on them.
//!
//! Nothing here blocks. Helper threads of the machine do what may hang or take long (reading a client's memory,
//! listing its threads) and answer with a message. The actor does everything else in short steps (`turn`,
//! [`crate::schedule`]).

mod ending;
mod restore;
mod turn;

use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use onair_mutant::mutant;
use onair_session::Event;
use onair_settings::config::ms;
use onair_settings::diagnostics::rate_limit::RateLimit;

use crate::engine::Engine;
use crate::inputs::Drained;
use crate::schedule::{TURN, Task};
use crate::services::Services;
use crate::session::Session;

/// Interval of the looks at the pollers' turns: three in a row find a poller stalled, 25 lost.
const TURNS: Duration = Duration::from_millis(200);
/// Interval of the looks at links and traffic.
const TRAFFIC: Duration = Duration::from_millis(250);

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

    /// When [`Self::follow_sources`] is due.
    fn followers_due(&self, now: Instant) -> Option<Instant> {
        let has_changed = self.engine.sessions.index.has_changed;
        let due = self.engine.followers.due(now, has_changed);
        due.filter(|_| self.engine.check_service().is_ok())
    }

    /// Does what is due with the sessions that were made for clients, for a turn's time at most. The shutdown
    /// ends them as all others.
    fn follow_sources(&mut self, now: Instant) {
        if self.engine.check_service().is_err() {
            return;
        }
        self.engine.sessions.index.has_changed = false;
        let ids: Vec<u64> = self.engine.followers.ids().collect();
        for id in ids {
            if self.engine.services.machine.now() - now >= TURN {
                // The rest has its turn soon.
                self.engine.sessions.index.has_changed = true;
                return;
            }
            self.engine.follow_source(id, now);
        }
    }

    /// Whether no poller works any more: only a restart of the daemon helps.
    pub fn is_stalled(&self) -> bool {
        self.engine.services.is_stalled()
    }
}
