//! The traces of sessions, also of the last ones that have ended.

use std::collections::VecDeque;

use onair_api::{SessionId, SessionName, SessionRef};

use super::Sessions;
use crate::session::Session;

/// Ended sessions whose traces are kept.
const ENDED: usize = 16;

/// The traces of ended sessions, the last one at the end.
#[derive(Debug, Default)]
pub(super) struct EndedTraces(VecDeque<(SessionId, SessionName, String)>);

impl EndedTraces {
    /// A session is removed.
    pub(super) fn keep(&mut self, session: &Session) {
        if self.0.len() >= ENDED {
            self.0.pop_front();
        }
        let name = session.spec.name.clone();
        self.0.push_back((session.id, name, session.core.trace()));
    }
}

impl Sessions {
    /// The trace of a session; of a name, the last session that has or had it.
    pub fn trace(&self, session: &SessionRef) -> Option<String> {
        let present = match session {
            SessionRef::Id(id) => self.any(id.0),
            SessionRef::Name(name) => self.named(name),
        };
        if let Some(present) = present {
            return Some(present.core.trace());
        }
        let mut ended = self.ended.0.iter().rev();
        let is_it = |(id, name, _): &&(SessionId, SessionName, String)| match session {
            SessionRef::Id(wanted) => id == wanted,
            SessionRef::Name(wanted) => name == wanted,
        };
        ended.find(is_it).map(|(_, _, trace)| trace.clone())
    }
}
