//! Pollers that have died or hang, and what follows for their sessions.

use std::collections::BTreeMap;

use onair_api::{EventKind, Health, PollerState, Problem, ProblemCode, SessionState, SessionView};
use onair_sim_machine::POLLERS;

use crate::cast;
use crate::plan::EngineDeedKind as Kind;
use crate::stage::{Purpose, Stage};

/// Facts about the pollers of this daemon.
#[derive(Debug, Default)]
pub(crate) struct PollerFacts {
    /// Pollers that have panicked.
    pub(crate) is_killed: [bool; POLLERS],
    /// Pollers that do not work, as the events tell.
    down: BTreeMap<String, PollerState>,
}

impl PollerFacts {
    pub(super) fn apply(&mut self, kind: &EventKind) -> Result<(), String> {
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

impl Stage {
    /// Health says what the events said; no session runs on a poller that has died.
    pub(super) fn check_pollers(&mut self, health: &Health, listed: &[SessionView]) {
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
    pub(super) fn check_poller_down(&mut self, purpose: &Purpose, problem: &Problem) {
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
