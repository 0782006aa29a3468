//! Pollers by their number: their names, and which of them work.

use std::time::Instant;

use onair_api::{EventKind, PollerState, Problem, ProblemCode, Timestamp};
use onair_dataplane::{Placement, PulseChange};
use onair_session::PollerFact;

use super::Services;
use crate::clock::Clocks;

/// Why a poller does not work.
#[derive(Clone, Debug)]
pub enum PollerDown {
    /// It makes no turn.
    Stalled {
        /// When it made the last one.
        since: Timestamp,
    },
    /// It panicked.
    Died {
        /// When.
        at: Timestamp,
        /// The panic message.
        message: String,
    },
}

impl PollerDown {
    /// The state of a poller, and since when it has it if it does not work.
    #[must_use]
    pub fn state(down: Option<&Self>) -> (PollerState, Option<Timestamp>) {
        match down {
            None => (PollerState::Works, None),
            Some(Self::Stalled { since }) => (PollerState::Stalled, Some(*since)),
            Some(Self::Died { at, .. }) => (PollerState::Died, Some(*at)),
        }
    }
}

impl PollerDown {
    fn text(&self, clock: &Clocks, is_lost: bool) -> String {
        match self {
            Self::Stalled { since } => {
                let age = clock.age(*since).as_secs();
                let what = match is_lost {
                    true => {
                        "only a restart of the daemon frees what it has; sessions of other pollers stay on air until \
                         then"
                    }
                    false => "what it has to do waits for it",
                };
                format!("has made no turn since {since} ({age} s): {what}")
            }
            Self::Died { at, message } => {
                format!("died at {at}: {message}; restart the daemon to get it back")
            }
        }
    }
}

impl Services {
    /// Name of a poller.
    pub fn poller_name(&self, index: usize) -> String {
        let poller = self.config.poller.get(index).map(|it| it.name.clone());
        poller.unwrap_or_default()
    }

    /// That a poller does not work, in one sentence.
    fn why(&self, index: usize, down: &PollerDown) -> String {
        let is_lost = self.machine.dataplane().is_lost(index);
        let text = down.text(self.machine.clock(), is_lost);
        format!("poller {} {text}", self.poller_name(index))
    }

    /// Why a poller does not work; `None`: it works.
    pub fn poller_down(&self, poller: usize) -> Option<&PollerDown> {
        self.down.get(&poller)
    }

    /// Whether a poller works: it has not died, and makes turns.
    pub fn works(&self, poller: usize) -> bool {
        self.poller_down(poller).is_none()
    }

    /// Whether what a poller is told will be done: it works, or makes no turn yet, as while the host is busy.
    pub fn serves(&self, poller: usize) -> bool {
        match self.poller_down(poller) {
            None => true,
            Some(PollerDown::Stalled { .. }) => !self.is_poller_lost(poller),
            Some(PollerDown::Died { .. }) => false,
        }
    }

    /// The pollers that do not work, each in one sentence.
    pub fn pollers_down(&self) -> impl Iterator<Item = String> {
        self.down.iter().map(|(poller, why)| self.why(*poller, why))
    }

    /// That a poller makes no turn now, in one sentence.
    pub fn poller_stall(&self, poller: usize) -> Option<String> {
        let down = self.poller_down(poller)?;
        matches!(down, PollerDown::Stalled { .. }).then(|| self.why(poller, down))
    }

    /// Whether this poller has made no turn for 5 s. One that has died does not count.
    pub fn is_poller_lost(&self, poller: usize) -> bool {
        let is_stalled = matches!(self.poller_down(poller), Some(PollerDown::Stalled { .. }));
        is_stalled && self.machine.dataplane().is_lost(poller)
    }

    /// Whether a poller has made no turn for 5 s.
    pub fn has_lost_poller(&self) -> bool {
        (0..self.config.poller.len()).any(|it| self.is_poller_lost(it))
    }

    /// Whether no poller makes turns, although one has not died: only a restart helps.
    pub fn is_stalled(&self) -> bool {
        let mut all = 0..self.config.poller.len();
        let has_stalled = all.clone().any(|it| self.poller_stall(it).is_some());
        has_stalled && !all.any(|it| self.works(it))
    }

    /// Whether `poller` serves, as a session's core is told.
    pub fn poller_fact(&self, poller: usize) -> PollerFact {
        let why = |down| self.why(poller, down);
        match self.poller_down(poller).filter(|_| !self.serves(poller)) {
            None => PollerFact::Works,
            Some(down @ PollerDown::Died { .. }) => PollerFact::Died(why(down)),
            Some(down @ PollerDown::Stalled { .. }) => PollerFact::Stalled(why(down)),
        }
    }

    /// Refuses with the reason if `poller` does not serve.
    ///
    /// # Errors
    /// `poller_down`.
    pub fn check_poller(&self, poller: usize) -> Result<(), Problem> {
        match self.poller_down(poller).filter(|_| !self.serves(poller)) {
            None => Ok(()),
            Some(why) => Err(Problem::new(ProblemCode::PollerDown, self.why(poller, why))),
        }
    }

    /// Looks whether the pollers make turns. The names of those that have just been lost: they have made none for so
    /// long that they probably never will.
    pub fn look_at_turns(&mut self, now: Instant) -> Vec<String> {
        let mut lost = Vec::new();
        for (index, change) in self.machine.dataplane_mut().look_at_turns(now) {
            let poller = self.poller_name(index);
            match (change, self.down.get(&index)) {
                (_, Some(PollerDown::Died { .. })) => {}
                (PulseChange::Stalled, _) => {
                    let at = self.machine.dataplane().stalled_since(index).unwrap_or(now);
                    let since = self.machine.clock().ago(now.saturating_duration_since(at));
                    tracing::error!(poller, %since, "a poller makes no turn");
                    self.down.insert(index, PollerDown::Stalled { since });
                    self.hub
                        .publish(None, EventKind::PollerStalled { poller, since });
                }
                (PulseChange::Lost, _) => lost.push(poller),
                (PulseChange::Resumed, Some(PollerDown::Stalled { since })) => {
                    let since = *since;
                    let stalled_ms = u64::try_from(self.machine.clock().age(since).as_millis())
                        .unwrap_or(u64::MAX);
                    tracing::warn!(poller, stalled_ms, "a poller makes turns again");
                    self.down.remove(&index);
                    let resumed = EventKind::PollerResumed { poller, stalled_ms };
                    self.hub.publish(None, resumed);
                }
                (PulseChange::Resumed, None) => {}
            }
        }
        lost
    }

    /// The poller of a local or converted session.
    ///
    /// # Errors
    /// `poller_down`: none serves.
    pub fn place_local(&self) -> Result<Placement, Problem> {
        let dataplane = self.machine.dataplane();
        let works = dataplane.place_local(|poller| self.works(poller));
        let placed = works.or_else(|| dataplane.place_local(|poller| self.serves(poller)));
        placed.ok_or_else(|| {
            let refused = self.check_poller(0).err();
            refused.unwrap_or_else(|| Problem::new(ProblemCode::PollerDown, "no poller works"))
        })
    }
}
