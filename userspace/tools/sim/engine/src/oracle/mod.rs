//! Invariants that must hold in any order.
//!
//! - Each request is answered, within its time and some more; one that is refused at once has changed nothing.
//! - Events, lists, health and answers say the same.
//! - No session is destroyed under a client that is inside or holds a frame. Each that is has one certificate, which
//!   verifies, and says that memory is given back only if no process has it.
//! - A group changes as a whole, or not at all.
//! - The next daemon has the persistent sessions as they were, and no other one, also after a power cut. Numbers of
//!   sessions and of their runs go on from there, if the disk took them.
//! - A client is told which frames lack packets. Each frame that it hands in is sent, or counts as dropped.
//! - The sessions of a poller that dies stop, and start again on another one.
//! - When all is gone, nothing is left.
//!
//! The rig panics if the control thread spins or never ends: that is a violation, too.

mod answers;
mod end;
mod facts;
mod views;

use std::collections::BTreeMap;
use std::task::{Context, Poll, Waker};

use onair_api::{
    Event, EventKind, Health, PollerState, Problem, ProblemCode, SessionState, SessionView,
};
use onair_ipc::caller::Refusal;
use onair_sim_machine::POLLERS;

use crate::cast;
use crate::plan::EngineDeedKind as Kind;
use crate::stage::{Purpose, Stage};

pub(crate) use self::facts::Facts;

impl Stage {
    /// Notes what must not be.
    pub(crate) fn violate(&mut self, what: String) {
        self.note(|| format!("VIOLATION {what}"));
        self.facts.violations.push(what);
    }

    /// Looks at the events and the answers that have come.
    pub(crate) fn observe(&mut self) {
        while let Some(event) = self.next_event() {
            self.note(|| format!("  event {} {}", event.sequence, told(&event)));
            if let Err(what) = self.facts.apply(&event) {
                self.violate(what);
            }
            match event.kind {
                EventKind::Destroyed { .. } => self.check_destroyed(&event),
                EventKind::CertificateCompleted { .. } => self.check_completed(&event),
                _ => {}
            }
        }
        self.poll_requests();
    }

    fn next_event(&mut self) -> Option<std::sync::Arc<Event>> {
        let next = std::pin::pin!(self.events.next());
        match next.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(event) => event,
            Poll::Pending => None,
        }
    }

    /// A client was told this by a call that does not wait.
    pub(crate) fn check_call(&mut self, at: usize, told: Result<(), Refusal>) {
        self.note(|| format!("take: {told:?}"));
        let guest = &self.guests[at];
        let (session, number) = (guest.session(), guest.number());
        let is_out = guest.is_hung_up || self.facts.is_evicted(session, number);
        let state = self.facts.runs(session);
        let is_stopped_by_itself = guest.client.attachment.is_stopped();
        match (told, state) {
            (Ok(()) | Err(Refusal::TimedOut), Some(false)) => {
                self.violate(format!(
                    "a call into a stopped session {session:x}: {told:?}"
                ));
            }
            (Ok(()) | Err(Refusal::TimedOut | Refusal::Again), None) => {
                self.violate(format!("a call into a session that is gone: {told:?}"));
            }
            (Err(Refusal::Again), Some(true)) if !is_out && !is_stopped_by_itself => {
                self.violate(format!("session {session:x} runs, and a call is refused"));
            }
            _ => {}
        }
    }

    /// Health says what the events said; no session runs on a poller that has died.
    fn check_pollers(&mut self, health: &Health, listed: &[SessionView]) {
        for shown in &health.dataplane.pollers {
            let name = &shown.name;
            let told = self.facts.pollers.state(name);
            let is_killed = cast::poller(name).is_some_and(|it| self.facts.pollers.is_killed[it]);
            if shown.state != told || is_killed != (told == PollerState::Died) {
                self.violate(format!("{name} is {:?}, told {told:?}", shown.state));
            }
            let runs = |it: &&SessionView| it.poller == *name && it.state == SessionState::Running;
            if let Some(view) = listed.iter().find(runs).filter(|_| is_killed) {
                self.violate(format!("{} runs, and {name} is dead", view.name));
            }
        }
        let has_dead = self.facts.pollers.has_dead();
        if has_dead && !self.plan.goes_on && !self.is_shutting_down() {
            self.violate("the daemon goes on without a poller".into());
        }
    }

    /// The daemon ends by itself if it is to do so without a poller, and then only.
    pub(crate) fn check_own_end(&mut self) {
        let is_lost = self.facts.pollers.has_dead() || self.facts.pollers.has_stalled();
        if self.plan.goes_on || !is_lost {
            self.violate("the daemon ends by itself".into());
        }
    }

    /// A start takes a poller that lives, if there is one.
    fn check_poller_down(&mut self, purpose: &Purpose, problem: &Problem) {
        let is_start = matches!(purpose.kind, Kind::Create | Kind::Start | Kind::Own);
        if problem.code == ProblemCode::PollerDown
            && is_start
            && self.facts.pollers.has_one_for(purpose.role)
            && self.is_free()
        {
            self.violate(format!("{purpose:?} is refused with {problem}"));
        }
    }
}

/// An event, for the trace: what is the same in each life of a seed.
fn told(event: &Event) -> String {
    let name = event.name.as_ref().map(ToString::to_string);
    format!("{} {}", name.unwrap_or_default(), event.kind.name())
}

/// Facts about the pollers of this daemon.
#[derive(Debug, Default)]
pub(crate) struct PollerFacts {
    /// Pollers that have panicked.
    pub(crate) is_killed: [bool; POLLERS],
    /// Pollers that do not work, as the events tell.
    down: BTreeMap<String, PollerState>,
}

impl PollerFacts {
    fn apply(&mut self, kind: &EventKind) -> Result<(), String> {
        let (poller, may_be, now) = match kind {
            EventKind::PollerDied { poller, .. } => {
                let is_killed = cast::poller(poller).is_some_and(|it| self.is_killed[it]);
                let lived = self.state(poller) != PollerState::Died;
                (poller, is_killed && lived, PollerState::Died)
            }
            EventKind::PollerStalled { poller, .. } => {
                let worked = self.state(poller) == PollerState::Works;
                (poller, worked, PollerState::Stalled)
            }
            EventKind::PollerResumed { poller, .. } => {
                let hung = self.state(poller) == PollerState::Stalled;
                (poller, hung, PollerState::Works)
            }
            _ => return Ok(()),
        };
        let before = self.down.insert(poller.clone(), now);
        match may_be {
            true => Ok(()),
            false => Err(format!("{poller} was {before:?}, and is {now:?}")),
        }
    }

    fn state(&self, poller: &str) -> PollerState {
        self.down.get(poller).copied().unwrap_or_default()
    }

    /// Whether a poller has died.
    pub(crate) fn has_dead(&self) -> bool {
        self.is_killed != [false; POLLERS]
    }

    fn has_stalled(&self) -> bool {
        self.down.values().any(|it| *it == PollerState::Stalled)
    }

    /// Whether a poller lives that a session of this role can have.
    pub(crate) fn has_one_for(&self, role: usize) -> bool {
        cast::pollers(role).iter().any(|it| !self.is_killed[*it])
    }
}
