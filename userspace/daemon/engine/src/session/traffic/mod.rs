//! Problems of a session's traffic: found by comparing its counters from look to look.

mod lasting;
pub(super) mod leg;
pub(super) mod look;
pub(super) mod recent;
mod recurring;
pub(super) mod sender_clock;
mod shortage;
pub(super) mod signal;
pub(super) mod stamps;

use std::time::Instant;

use onair_api::{
    EventKind, GroupMembership, SessionProblem, SessionProblemKind as Kind, SessionState, Signal,
};
use onair_dataplane::PortInfo;
use onair_essence::Monitor;
use onair_settings::diagnostics::growth::{Growth, SideBySide};

use self::lasting::Lasting;
use self::leg::LegWatch;
use self::look::TrafficLook;
use self::recent::RecentSamples;
use self::signal::SignalWatch;
use super::Session;
use super::convert::second_leg;
use super::problem::problem;
use crate::services::Services;

/// Frames that a client missed because it had used its quota.
#[derive(Debug, Default)]
struct SlowClient {
    attachment: u64,
    dropped: Growth,
    /// How many of them the client was told of.
    told: u64,
    /// A helper thread looks whether its process is stopped.
    is_asked: bool,
    /// Whether it is; `None`: not known yet.
    is_stopped: Option<bool>,
}

/// Problems of one session's traffic.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) problems: Vec<SessionProblem>,
    pub(super) legs: [LegWatch; 2],
    /// How often both legs began anew.
    pub(super) leg_restarts: u64,
    pub(super) leg_fault: Lasting,
    /// Receive: the newest measurement of the packets' timing.
    pub(super) timing: Option<Box<Monitor>>,
    pub(super) recent: RecentSamples,
    waiting_since: Option<Instant>,
    /// Packets of the source that the session follows, and of others.
    sources: SideBySide,
    two_sources: Growth,
    mixed: Lasting,
    pub(super) signal: SignalWatch,
    pub(super) state: Option<Signal>,
    slow: Vec<SlowClient>,
    /// The recordings that do not keep all packets, each with its reason.
    pub(crate) degraded_recordings: Vec<String>,
}

impl Traffic {
    /// Whether the link of a leg's port is up.
    fn has_link(&self) -> bool {
        self.legs.iter().any(|it| it.link_up == Some(true))
    }

    /// Takes note of the group of each leg.
    pub(crate) fn note_groups(&mut self, groups: [Option<GroupMembership>; 2]) {
        for (leg, group) in self.legs.iter_mut().zip(groups) {
            leg.group = group;
        }
    }

    /// A helper thread has looked whether the process of a client is stopped; `None`: it could not say.
    pub(crate) fn note_stopped_client(&mut self, attachment: u64, is_stopped: Option<bool>) {
        let mut slow = self.slow.iter_mut();
        if let Some(it) = slow.find(|it| it.attachment == attachment) {
            it.is_asked = false;
            it.is_stopped = is_stopped.or(it.is_stopped).or(Some(false));
        }
    }
}

impl Session {
    /// Compares the counters with those of the last look, and publishes the problems that began or
    /// ended.
    pub fn look_at_traffic(&mut self, services: &mut Services, now: Instant) {
        self.look_at_rejoin(services, now);
        let is_own = |port: &&PortInfo| self.spec.has_packets() && port.name == self.spec.port;
        let port = services.machine.dataplane().ports().iter().find(is_own);
        let names = [
            port.map(|it| &it.name),
            second_leg(&self.spec).map(|it| &it.port),
        ];
        for (leg, name) in self.traffic.legs.iter_mut().zip(names) {
            leg.link_up = name.and_then(|it| services.machine.dataplane().link_seen(it));
        }
        (self.traffic).note_groups(self.flows().groups(services));
        self.stats.take_timing(&mut self.traffic.timing);
        let is_running = self.core.state() == SessionState::Running;
        (self.traffic.recent).look(&self.spec, is_running, &self.stats, &self.clock);
        self.stats.note_link(!self.traffic.has_link());
        let stall = services.poller_stall(self.home.poller());
        let (state, source, counted) = (
            self.core.state(),
            self.source.problem(&self.spec, &self.core, services),
            self.stats.snapshot(),
        );
        let mut look = TrafficLook {
            id: self.id,
            peer: self.shown().peer(),
            spec: &self.spec,
            core: &self.core,
            clock: &self.clock,
            stats: &self.stats,
            traffic: &mut self.traffic,
            services,
            counted: &counted,
            settings: services.config.signal,
            now,
        };
        let found = match (state, port, stall) {
            (SessionState::Running, _, Some(why)) => {
                vec![problem(Kind::PollerStalled, why)]
            }
            (SessionState::Running, Some(port), _) => look.problems(port),
            (SessionState::Running, None, _) => {
                let absent = source.or_else(|| look.filler_problem());
                absent.into_iter().chain(look.slow_clients()).collect()
            }
            (SessionState::Draining, ..) => drain_problem(self).into_iter().collect(),
            _ => Vec::new(),
        };
        let before = std::mem::replace(&mut self.traffic.problems, found);
        let wall = self.clock.wall();
        self.traffic.note_signal(&self.spec, is_running, wall);
        let is_in = |list: &[SessionProblem], kind| list.iter().any(|it| it.problem == kind);
        // One event for each kind: a problem whose figures change has not begun again.
        for kind in Kind::ALL {
            let listed = &self.traffic.problems;
            let (was, is) = (is_in(&before, kind), is_in(listed, kind));
            if was && !is {
                let over = EventKind::SessionProblemOver { problem: kind };
                self.publish(services, self.requested_by, over);
            } else if is && !was {
                let Some(problem) = listed.iter().find(|it| it.problem == kind).cloned() else {
                    continue;
                };
                let name = &self.spec.name;
                let more = services.lines.sessions.note_caused(self.requested_by, now);
                if let Some(more) = more {
                    tracing::warn!(session = %name, problem = %kind, detail = problem.detail, more);
                }
                let begun = EventKind::SessionProblem { problem };
                self.publish(services, self.requested_by, begun);
            }
        }
    }
}

/// A destroy that still waits when the first warning is due.
fn drain_problem(session: &Session) -> Option<SessionProblem> {
    let (_, is_blocked) = session.core.warnings();
    is_blocked.then(|| {
        let name = &session.spec.name;
        let detail = format!(
            "its destroy waits for users that do not leave: `onairctl session blockers {name}` names them"
        );
        problem(Kind::DrainBlocked, detail)
    })
}
