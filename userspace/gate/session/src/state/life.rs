//! The life of a session: its state, its runs, and the notes for its certificate.

use std::time::Instant;

use onair_api::{
    Counts, Direction, Problem, ProblemCode, SessionId, SessionName, SessionState, SessionView,
    Step, StoppedBefore, Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::boundary::event::Destroy;
use crate::boundary::retired::RetiredMemory;
use crate::boundary::runtime::Runtime;
use crate::boundary::ticket::Ticket;
use crate::boundary::view::Moment;
use crate::groups::AwaitedTurn;
use crate::lifecycle::{Lifecycle, Refusal};
use crate::state::asking::Asking;
use crate::state::audit::{self, Audit};
use crate::state::rescan::{Due, Rescan};

/// The runs of a session.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Runs {
    /// Number of starts, including those under earlier daemons.
    pub(crate) generation: u64,
    /// `None` while it runs, and if it never ran.
    pub(crate) stopped_at: Option<Timestamp>,
    /// When it stops by itself.
    pub(crate) expiry: Due,
}

impl Runs {
    pub(crate) fn begin(&mut self) {
        self.generation += 1;
        self.stopped_at = None;
    }
}

/// How far a session is in its life: its state, with the runtime while no poller has it (W3), and what is noted
/// for the certificate. It knows no client: those that come and go enter here what they leave behind.
#[derive(Debug, Serialize, Deserialize)]
pub struct Life<R> {
    pub(crate) id: SessionId,
    pub(crate) name: SessionName,
    pub(crate) direction: Direction,
    pub(crate) runs: Runs,
    pub(crate) lifecycle: Lifecycle<Box<R>, Destroy, Ticket<SessionView>>,
    pub(crate) audit: Audit,
    /// Words of clients that left while the session was stopped.
    pub(crate) retired: RetiredMemory,
    /// When it is examined again.
    pub(crate) rescan: Rescan,
}

impl<R: Runtime> Life<R> {
    /// That of a new session, which is stopped. It stops by itself at `expires_at`.
    pub(crate) fn new(
        id: SessionId,
        name: SessionName,
        direction: Direction,
        runtime: Box<R>,
        expires_at: Option<Instant>,
    ) -> Self {
        Self {
            id,
            name,
            direction,
            runs: Runs {
                generation: 0,
                stopped_at: None,
                expiry: Due(expires_at),
            },
            lifecycle: Lifecycle::new(runtime),
            audit: Audit::default(),
            retired: RetiredMemory::default(),
            rescan: Rescan::default(),
        }
    }

    /// Continues counting from `generation`: the session existed before, and an earlier daemon
    /// stopped it as `stopped` says.
    pub fn continue_from(&mut self, generation: u64, stopped: Option<StoppedBefore>, now: Moment) {
        self.runs.generation = generation;
        self.runs.stopped_at = stopped.as_ref().map(|stopped| stopped.at);
        self.audit.restore(stopped, now);
    }

    /// Number of starts, including those under earlier daemons.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.runs.generation
    }

    /// When it was stopped; `None` while it runs, and if it never ran.
    #[must_use]
    pub fn stopped_at(&self) -> Option<Timestamp> {
        self.runs.stopped_at
    }

    /// The state, as the API names it.
    pub(crate) fn state(&self) -> SessionState {
        match &self.lifecycle {
            Lifecycle::Running => SessionState::Running,
            Lifecycle::Stopping { .. } | Lifecycle::Stopped { .. } if self.runs.generation == 0 => {
                SessionState::Created
            }
            Lifecycle::Stopping { .. } | Lifecycle::Stopped { .. } => SessionState::Stopped,
            // A destroyed session is in no list any more.
            Lifecycle::Draining { .. } | Lifecycle::Destroyed => SessionState::Draining,
            Lifecycle::Quarantined { .. } => SessionState::Quarantined,
        }
    }

    /// Whether it was quarantined.
    #[must_use]
    pub fn is_quarantined(&self) -> bool {
        self.lifecycle.is_quarantined()
    }

    /// Whether it waits to be destroyed.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.lifecycle.destroy().is_some()
    }

    /// The runtime, if it is here.
    pub(crate) fn runtime(&self) -> Option<&R> {
        self.lifecycle.runtime().map(|runtime| &**runtime)
    }

    /// Frames on loan by the ledgers; `None` while a poller has them.
    pub(crate) fn loaned(&self, view: Asking<'_>) -> Option<u64> {
        Some(view.loaned(self.runtime()?))
    }

    /// The audit's counts, plus those of the ledgers that are here.
    pub(crate) fn counts(&self, view: Asking<'_>) -> Counts {
        let mut counts = self.audit.counts;
        if let Some(runtime) = self.runtime() {
            audit::add(&mut counts, view.totals(runtime.lenders()));
        }
        counts
    }

    /// Words of clients that left while the session was stopped.
    #[must_use]
    pub fn retired(&self) -> &RetiredMemory {
        &self.retired
    }

    /// The steps since the last stop.
    #[must_use]
    pub fn steps(&self) -> Vec<Step> {
        self.audit.steps()
    }

    /// The problem that tells the requester why the session's state refuses.
    pub(crate) fn refusal(&self, refusal: Refusal) -> Problem {
        let (code, what) = match refusal {
            Refusal::Running => (ProblemCode::Running, "is running"),
            Refusal::Starting => (ProblemCode::Running, "is being started"),
            Refusal::Draining => (ProblemCode::Draining, "is being destroyed"),
            Refusal::Quarantined => (ProblemCode::Quarantined, "is quarantined"),
            Refusal::Destroyed => (ProblemCode::StaleSession, "was destroyed"),
        };
        Problem::new(code, format!("session {} {what}", self.name))
    }

    /// The problem of a destroy that gives up.
    pub(crate) fn not_destroyed(&self, code: ProblemCode, reason: &str) -> Problem {
        let name = &self.name;
        Problem::new(code, format!("session {name} is not destroyed: {reason}"))
    }

    /// Whether a destroy would begin.
    ///
    /// # Errors
    /// The state does not allow it.
    pub fn check_destroy(&self) -> Result<(), Problem> {
        let checked = self.lifecycle.check_destroy();
        checked.map_err(|refusal| self.refusal(refusal))
    }

    /// Whether [`Event::Quarantine`](crate::Event::Quarantine) would close the session.
    ///
    /// # Errors
    /// `running`, `draining`, `quarantined`.
    pub fn check_quarantine(&self) -> Result<(), Problem> {
        let checked = self.lifecycle.check_quarantine();
        checked.map_err(|refusal| self.refusal(refusal))
    }

    /// How far it is on its way to its turn.
    #[must_use]
    pub fn awaited_turn(&self) -> AwaitedTurn {
        match self.lifecycle.destroy() {
            Some(destroy) if destroy.waits_for_turn && self.rescan.is_ready => AwaitedTurn::Ready,
            Some(destroy) if destroy.waits_for_turn => AwaitedTurn::InUse,
            _ => AwaitedTurn::None,
        }
    }

    /// Its turn has come: a destroy waits for it no longer. Whether there is one.
    pub(crate) fn take_turn(&mut self) -> bool {
        let destroy = self.lifecycle.destroy_mut();
        destroy.is_some_and(|it| std::mem::take(&mut it.waits_for_turn))
    }

    /// After [`Self::take_turn`]: a destroy that has not ended waits again.
    pub(crate) fn return_turn(&mut self) {
        if let Some(destroy) = self.lifecycle.destroy_mut() {
            destroy.waits_for_turn = true;
        }
    }
}
