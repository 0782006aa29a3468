//! A problem of a session.

use onair_api::{SessionProblem, SessionProblemKind as Kind};

/// One that concerns no packet source.
pub(super) const fn problem(problem: Kind, detail: String) -> SessionProblem {
    SessionProblem {
        problem,
        detail,
        ssrc: None,
        other_ssrc: None,
    }
}
