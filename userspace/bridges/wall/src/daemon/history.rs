//! Signal of each session in the last hour.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use onair_api::{SessionId, SessionState, SessionView, SignalState, Timestamp};
use serde::Serialize;

/// How long it is kept.
const KEPT: Duration = Duration::from_secs(3600);
/// Changes of a session; of more the oldest are dropped.
const MOST: usize = 600;

/// From this time on a session was so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// When the wall saw it.
    pub at: Timestamp,
    /// State of the session.
    pub state: SessionState,
    /// Its signal, while it ran.
    pub signal: Option<SignalState>,
    /// One sentence.
    pub sentence: Option<String>,
}

/// The changes of all sessions.
#[derive(Debug, Default)]
pub(super) struct History(HashMap<SessionId, VecDeque<Change>>);

impl History {
    /// Adds what changed, and forgets sessions that are gone.
    pub(super) fn look(&mut self, sessions: &[SessionView], now: Timestamp) {
        self.0
            .retain(|id, _| sessions.iter().any(|it| it.id == *id));
        for view in sessions {
            let changes = self.0.entry(view.id).or_default();
            let signal = view.signal.as_ref();
            let next = Change {
                at: now,
                state: view.state,
                signal: signal.map(|it| it.state),
                sentence: signal.and_then(|it| it.reason.clone()),
            };
            let is_same = |it: &Change| (it.state, it.signal) == (next.state, next.signal);
            if !changes.back().is_some_and(is_same) {
                changes.push_back(next);
            }
            // The change before the hour says how it began.
            let is_old = |it: Option<&Change>| it.is_some_and(|it| it.at.age() > KEPT);
            while changes.len() > MOST || is_old(changes.get(1)) {
                changes.pop_front();
            }
        }
    }

    /// Of a session, oldest first.
    pub(super) fn of(&self, id: SessionId) -> Vec<Change> {
        self.0.get(&id).into_iter().flatten().cloned().collect()
    }
}
