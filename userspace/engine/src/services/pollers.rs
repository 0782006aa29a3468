//! Pollers by their number: their names, and which of them work.

use std::time::Instant;

use onair_api::{EventKind, PollerState, Problem, ProblemCode, Timestamp};
use onair_dataplane::{Placement, PulseChange};
use onair_session::PollerFact;

use super::Services;
use crate::clock::Clocks;

/// What a look at the pollers' turns found.
#[derive(Debug, Default)]
pub struct Stalls {
    /// A poller that made turns at the look before makes none now.
    pub has_new: bool,
    /// The names of the pollers that have made none for so long that they probably never will.
    pub lost: Vec<String>,
}

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
    fn text(&self, clock: &Clocks) -> String {
        match self {
            Self::Stalled { since } => format!(
                "has made no turn since {since} ({} s): only a restart of the daemon frees what it has; sessions of \
                 other pollers stay on air until then",
                clock.age(*since).as_secs()
            ),
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
        let text = down.text(self.machine.clock());
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

    /// The pollers that do not work, each in one sentence.
    pub fn pollers_down(&self) -> impl Iterator<Item = String> {
        self.down.iter().map(|(poller, why)| self.why(*poller, why))
    }

    /// Whether this poller makes no turn. One that has died does not count.
    pub fn is_poller_stalled(&self, poller: usize) -> bool {
        matches!(self.poller_down(poller), Some(PollerDown::Stalled { .. }))
    }

    /// Whether a poller makes no turn.
    pub fn has_stalled_poller(&self) -> bool {
        (0..self.config.poller.len()).any(|it| self.is_poller_stalled(it))
    }

    /// Whether no poller makes turns, although one has not died: only a restart helps.
    pub fn is_stalled(&self) -> bool {
        self.has_stalled_poller() && !(0..self.config.poller.len()).any(|it| self.works(it))
    }

    /// Whether `poller` works, as a session's core is told.
    pub fn poller_fact(&self, poller: usize) -> PollerFact {
        let why = |down| self.why(poller, down);
        match self.poller_down(poller) {
            None => PollerFact::Works,
            Some(down @ PollerDown::Died { .. }) => PollerFact::Died(why(down)),
            Some(down @ PollerDown::Stalled { .. }) => PollerFact::Stalled(why(down)),
        }
    }

    /// Refuses with the reason if `poller` does not work.
    ///
    /// # Errors
    /// `poller_down`.
    pub fn check_poller(&self, poller: usize) -> Result<(), Problem> {
        match self.poller_down(poller) {
            None => Ok(()),
            Some(why) => Err(Problem::new(ProblemCode::PollerDown, self.why(poller, why))),
        }
    }

    /// Looks whether the pollers make turns.
    pub fn look_at_turns(&mut self, now: Instant) -> Stalls {
        let mut stalls = Stalls::default();
        for (index, change) in self.machine.dataplane_mut().look_at_turns(now) {
            let poller = self.poller_name(index);
            match (change, self.down.get(&index)) {
                (_, Some(PollerDown::Died { .. })) => {}
                (PulseChange::Stalled, _) => {
                    let at = self.machine.dataplane().stalled_since(index).unwrap_or(now);
                    let since = self.machine.clock().ago(now.saturating_duration_since(at));
                    tracing::error!(poller, %since, "a poller makes no turn");
                    self.down.insert(index, PollerDown::Stalled { since });
                    stalls.has_new = true;
                    self.hub
                        .publish(None, EventKind::PollerStalled { poller, since });
                }
                (PulseChange::Lost, _) => stalls.lost.push(poller),
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
        stalls
    }

    /// The poller of a local or converted session.
    ///
    /// # Errors
    /// `poller_down`: none works.
    pub fn place_local(&self) -> Result<Placement, Problem> {
        let works = |poller| self.works(poller);
        let placed = self.machine.dataplane().place_local(works);
        placed.ok_or_else(|| {
            let refused = self.check_poller(0).err();
            refused.unwrap_or_else(|| Problem::new(ProblemCode::PollerDown, "no poller works"))
        })
    }
}
