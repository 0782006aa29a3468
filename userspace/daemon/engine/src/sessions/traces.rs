//! The traces of sessions, also of the last ones that have ended.

use std::collections::VecDeque;

use onair_api::{SessionId, SessionName, SessionRef};
use onair_session::Trace;

use super::Sessions;
use crate::session::Session;

/// Ended sessions whose traces are kept.
const ENDED: usize = 16;

/// The traces of ended sessions, the last one at the end.
#[derive(Debug, Default)]
pub(super) struct EndedTraces(VecDeque<EndedTrace>);

#[derive(Debug)]
struct EndedTrace {
    id: SessionId,
    name: SessionName,
    /// The user whose shares it took.
    uid: u32,
    trace: Trace,
}

impl EndedTraces {
    /// A session is removed.
    pub(super) fn keep(&mut self, session: &mut Session) {
        self.add(EndedTrace {
            id: session.id,
            name: session.spec.name.clone(),
            uid: session.charged_to,
            trace: session.core.take_trace(),
        });
    }

    /// Of too many, the user with the most loses the oldest.
    fn add(&mut self, ended: EndedTrace) {
        self.0.push_back(ended);
        if self.0.len() <= ENDED {
            return;
        }
        let of = |uid| self.0.iter().filter(|it| it.uid == uid).count();
        let greatest = self.0.iter().map(|it| it.uid).max_by_key(|uid| of(*uid));
        let oldest = self.0.iter().position(|it| Some(it.uid) == greatest);
        oldest.map(|at| self.0.remove(at));
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
        let is_it = |it: &&EndedTrace| session.names(it.id, &it.name);
        ended.find(is_it).map(|it| it.trace.text(it.id, &it.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_ends_many_sessions_then_traces_of_others_stay() {
        let mut ended = EndedTraces::default();
        let of = |number: u64, uid| EndedTrace {
            id: SessionId(number),
            name: "cam".parse().unwrap(),
            uid,
            trace: Trace::default(),
        };
        ended.add(of(1, 0));
        (2..100).for_each(|number| ended.add(of(number, 7)));
        let kept: Vec<u64> = ended.0.iter().map(|it| it.id.0).collect();
        assert_eq!(kept.len(), ENDED);
        assert_eq!((kept[0], kept[1], kept[ENDED - 1]), (1, 85, 99));
    }
}
