//! Carries out the shutdown of all sessions, which [`ShutdownCore`] decides.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use onair_api::{Direction, Operation, SessionOutcome, SessionSpec, SessionSummary};
use onair_dataplane::PortInfo;
use onair_session::shutdown::{
    LastUnits, Remedy, ShutdownCore, ShutdownEvent, ShutdownOrder, ShutdownStep, ToEnd,
};
use onair_session::{Destroy, Event, Ticket};
use onair_settings::access::peer::this_daemon;
use onair_settings::config::Policy;

use super::Sessions;
use crate::services::Services;
use crate::session::SessionTotals;

/// Time limit for naming client threads on the control thread itself.
const NAMING: Duration = Duration::from_millis(50);

/// The driver whose packets the kernel gives to each process that has the port: to the daemon that takes over, too.
const GIVES_TO_EACH: &str = "net_af_packet";

/// The shutdown, before it and in progress.
#[derive(Debug, Default)]
pub struct Ending {
    core: ShutdownCore,
    /// When the next step is due.
    pub wake_at: Option<Instant>,
    /// Totals of all sessions that existed at the start; they outlive the sessions.
    totals: BTreeMap<u64, SessionTotals>,
}

impl Ending {
    /// Whether the sessions are being ended.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.core.is_draining()
    }

    /// Tells the core what has happened.
    pub fn note(&mut self, event: ShutdownEvent, now: Instant) {
        self.core.handle(event, now);
    }

    /// The next step of the core, which learns first what has happened since the last one. `has_due`: sessions are to
    /// be examined.
    pub fn next(
        &mut self,
        sessions: &mut Sessions,
        now: Instant,
        is_forced: bool,
        has_due: bool,
    ) -> ShutdownStep {
        if self.has_begun() {
            let states = sessions.index.states.as_mut();
            for (id, state) in states.map(std::mem::take).unwrap_or_default() {
                let event = match state {
                    Some(state) => ShutdownEvent::State(id, state),
                    None => ShutdownEvent::Ended(id),
                };
                self.note(event, now);
            }
            if has_due {
                self.note(ShutdownEvent::ToExamine, now);
            }
            if is_forced {
                self.note(ShutdownEvent::Forced, now);
            }
        }
        self.core.next(now)
    }

    /// Begins to end the sessions; their users have until `deadline`.
    pub fn begin(
        &mut self,
        sessions: &mut Sessions,
        now: Instant,
        deadline: Instant,
        (policy, hands_over): (Policy, bool),
        quiesce: Duration,
        last_units: impl Fn(&SessionSpec) -> LastUnits,
    ) {
        let remaining = deadline.saturating_duration_since(now);
        tracing::info!(sessions = sessions.count(), ?remaining, "draining");
        // From here on the index has each change of a state.
        sessions.index.states = Some(Vec::new());
        let all = sessions.living();
        self.totals = all.map(|it| (it.id.0, it.shown().totals())).collect();
        let to_end = sessions.living().map(|it| ToEnd {
            id: it.id.0,
            priority: it.spec.priority,
            last_units: last_units(&it.spec),
            state: it.core.state(),
        });
        let order = ShutdownOrder {
            sessions: to_end.collect(),
            deadline,
            remedy: match policy {
                Policy::Refuse if hands_over => Remedy::Quarantine,
                Policy::Refuse => Remedy::Abandon,
                Policy::Evict => Remedy::Evict,
                Policy::Quarantine => Remedy::Quarantine,
            },
            quiesce,
            hands_over,
        };
        self.note(ShutdownEvent::Drain(order), now);
    }

    /// Gives up the remaining sessions. The outcome of each that existed at the start, in the order of the stops.
    pub fn finish(&self, sessions: &mut Sessions, services: &mut Services) -> Vec<SessionSummary> {
        let until = services.machine.now() + NAMING;
        let close = |(id, outcome): (u64, SessionOutcome)| {
            let left = sessions.any(id);
            let draft = left.map(|it| it.blockers(services).draft());
            let blockers = draft
                .map(|it| it.list(services.machine.processes(), until))
                .unwrap_or_default();
            Some(self.totals.get(&id)?.close(outcome, blockers))
        };
        let outcomes = self.core.outcomes().filter_map(close).collect();
        sessions.change_each(|session| {
            let _ = session.handle(services, Event::Abandon);
        });
        outcomes
    }
}

/// The session's part in the last units that this daemon sends.
#[must_use]
pub fn last_units(spec: &SessionSpec, services: &Services) -> LastUnits {
    let is_given_twice = |port: &PortInfo| port.driver == GIVES_TO_EACH;
    match spec.direction {
        Direction::Send => LastUnits::Sends,
        Direction::Local => LastUnits::NoneOfThem,
        Direction::Receive => match services.port_named(&spec.port) {
            Ok(port) if services.machine.shutdown().is_takeover() && is_given_twice(port) => {
                LastUnits::NoneOfThem
            }
            _ => LastUnits::Receives,
        },
    }
}

/// A destroy by the shutdown, when its turn comes.
#[must_use]
pub fn destroy(operation: Operation, deadline: Instant, remaining: Option<Duration>) -> Destroy {
    Destroy {
        who: this_daemon(std::process::id()),
        operation,
        deadline: Some(deadline),
        deadline_ms: remaining.map(millis),
        waits_for_turn: true,
        stops: false,
        // No requester reads this answer: the certificate is in the archive.
        ticket: Ticket::unread(),
    }
}

/// `wait` in whole ms.
#[must_use]
pub fn millis(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
}
