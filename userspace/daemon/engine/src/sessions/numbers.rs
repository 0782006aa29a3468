//! The ids and counter indices of sessions: which are issued, free, or used up.

use std::collections::VecDeque;

use onair_api::{Problem, ProblemCode, SessionId, SessionName, SessionRef};

/// Indices in the probe's counters: the maximum number of sessions at a time.
const INDICES: u32 = 1024;

/// Ids and indices of one daemon's sessions.
#[derive(Debug)]
pub struct Numbers {
    incarnation: u32,
    /// Number of the last id.
    last: u32,
    free: VecDeque<u32>,
    destroyed: u64,
}

impl Numbers {
    /// Those of a daemon with this incarnation; none is issued.
    #[must_use]
    pub fn new(incarnation: u32) -> Self {
        Self {
            incarnation,
            last: 0,
            free: (0..INDICES).collect(),
            destroyed: 0,
        }
    }

    /// An id and an index for a new session. `is_empty`: the index counts no caller any more; evicted
    /// callers of its former session may still be counted as long as their process is stopped.
    ///
    /// # Errors
    /// `limit_reached`: no index is free.
    pub fn issue(&mut self, is_empty: impl Fn(u32) -> bool) -> Result<(SessionId, u32), Problem> {
        let at = self.free.iter().position(|index| is_empty(*index));
        let index = at.and_then(|at| self.free.remove(at)).ok_or_else(|| {
            let detail = "the probe's counters have no free index";
            Problem::new(ProblemCode::LimitReached, detail)
        })?;
        self.last += 1;
        Ok((SessionId::new(self.incarnation, self.last), index))
    }

    /// The session that was to have this index could not be made. Its id stays used up.
    pub fn not_made(&mut self, index: u32) {
        self.free.push_front(index);
    }

    /// The session of this index has ended.
    pub fn ended(&mut self, index: u32) {
        // At the end of the list: the kernel's count at an index may have to reach zero first.
        self.free.push_back(index);
        self.destroyed += 1;
    }

    /// Sessions that have ended.
    #[must_use]
    pub fn destroyed(&self) -> u64 {
        self.destroyed
    }

    /// Why no session exists under this reference: `quarantined` is the one in quarantine that it names,
    /// and `has_certificate`: one of that name has left a certificate.
    #[must_use]
    pub fn missing(
        &self,
        session: &SessionRef,
        quarantined: Option<&SessionName>,
        has_certificate: bool,
    ) -> Problem {
        if let Some(name) = quarantined {
            let detail = format!("session {name} is quarantined");
            return Problem::new(ProblemCode::Quarantined, detail);
        }
        let was_here = match session {
            // This daemon issued all ids of its incarnation up to the last one; ids of another
            // incarnation are from an earlier daemon.
            SessionRef::Id(id) => {
                id.incarnation() != self.incarnation
                    || (1..=u64::from(self.last)).contains(&(id.0 & 0xffff_ffff))
            }
            SessionRef::Name(_) => has_certificate,
        };
        if was_here {
            stale(session)
        } else {
            let detail = format!("no session is called {session}");
            Problem::new(ProblemCode::NoSuchSession, detail)
        }
    }
}

/// The session was destroyed.
#[must_use]
pub fn stale(session: &SessionRef) -> Problem {
    let detail = format!("session {session} was destroyed");
    Problem::new(ProblemCode::StaleSession, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(numbers: &Numbers, session: SessionId) -> ProblemCode {
        numbers.missing(&session.into(), None, false).code
    }

    #[test]
    fn id_that_was_issued_or_is_older_then_stale_and_no_other() {
        let mut numbers = Numbers::new(7);
        let (first, _) = numbers.issue(|_| true).unwrap();
        assert_eq!(first, SessionId::new(7, 1));
        assert_eq!(code(&numbers, first), ProblemCode::StaleSession);
        let older = SessionId::new(6, 99);
        assert_eq!(code(&numbers, older), ProblemCode::StaleSession);
        for never in [0, 2] {
            let never = SessionId::new(7, never);
            assert_eq!(code(&numbers, never), ProblemCode::NoSuchSession);
        }
    }

    #[test]
    fn name_is_stale_only_if_it_left_a_certificate() {
        let numbers = Numbers::new(7);
        let name: SessionName = "cam".parse().unwrap();
        let session = SessionRef::Name(name.clone());
        let code = |quarantined, left| numbers.missing(&session, quarantined, left).code;
        assert_eq!(code(None, false), ProblemCode::NoSuchSession);
        assert_eq!(code(None, true), ProblemCode::StaleSession);
        assert_eq!(code(Some(&name), true), ProblemCode::Quarantined);
    }

    #[test]
    fn index_is_used_again_last_and_only_when_it_counts_no_caller() {
        let mut numbers = Numbers::new(7);
        let (_, first) = numbers.issue(|_| true).unwrap();
        numbers.ended(first);
        assert_eq!(numbers.destroyed(), 1);
        let rest: Vec<u32> = (1..INDICES)
            .map(|_| numbers.issue(|_| true).unwrap().1)
            .collect();
        assert!(!rest.contains(&first), "the others come first");
        let full = numbers.issue(|index| index != first).unwrap_err();
        assert_eq!(full.code, ProblemCode::LimitReached);
        assert_eq!(numbers.issue(|_| true).unwrap().1, first);
        numbers.not_made(first);
        numbers.ended(rest[0]);
        assert_eq!(numbers.issue(|_| true).unwrap().1, first);
    }
}
