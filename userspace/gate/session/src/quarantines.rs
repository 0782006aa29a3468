//! Quarantines that were asked for. While helper threads look at the sites of a session's clients its quarantine
//! waits: the certificate records what the witnesses see.

use onair_api::Who;

/// A quarantine that a requester asked for. `A` is the destination of its answer.
#[derive(Debug)]
pub struct QuarantineRequest<A> {
    /// The session.
    pub session: u64,
    /// The requester.
    pub who: Who,
    /// Destination of the answer.
    pub reply: A,
}

/// Quarantines that wait, in the order of their requests.
#[derive(Debug)]
pub struct Quarantines<A>(Vec<QuarantineRequest<A>>);

impl<A> Default for Quarantines<A> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<A> Quarantines<A> {
    /// Adds a request, after helper threads were asked to look at what is not known of the session's sites.
    pub fn ask(&mut self, request: QuarantineRequest<A>) {
        self.0.push(request);
    }

    /// Takes those whose session waits for no look at its sites, or is gone. `is_looking`: whether helper threads
    /// look at a session's sites; `None` if it is gone.
    pub fn due(&mut self, is_looking: impl Fn(u64) -> Option<bool>) -> Vec<QuarantineRequest<A>> {
        let is_due = |it: &mut QuarantineRequest<A>| is_looking(it.session) != Some(true);
        self.0.extract_if(.., is_due).collect()
    }
}

#[cfg(test)]
mod tests {
    use onair_api::Via;

    use super::*;

    fn request(session: u64, pid: u32) -> QuarantineRequest<()> {
        QuarantineRequest {
            session,
            who: Who {
                uid: 0,
                gid: 0,
                pid,
                command: "onairctl".into(),
                via: Via::Control,
            },
            reply: (),
        }
    }

    fn named(all: Vec<QuarantineRequest<()>>) -> Vec<(u64, u32)> {
        all.into_iter().map(|it| (it.session, it.who.pid)).collect()
    }

    #[test]
    fn quarantine_waits_until_the_last_look_at_its_session_is_done() {
        let mut all = Quarantines::default();
        all.ask(request(1, 10));
        all.ask(request(2, 11));
        let first_looks = |id| Some(id == 1);
        assert_eq!(named(all.due(first_looks)), [(2, 11)]);
        assert_eq!(named(all.due(first_looks)), []);
        assert_eq!(named(all.due(|_| Some(false))), [(1, 10)]);
        assert_eq!(named(all.due(|_| Some(false))), []);
    }

    #[test]
    fn session_quarantined_twice_or_gone_then_each_is_answered() {
        let mut all = Quarantines::default();
        for (session, pid) in [(1, 10), (2, 11), (1, 12)] {
            all.ask(request(session, pid));
        }
        // The first one closes the session; the others are refused.
        assert_eq!(
            named(all.due(|id| (id == 2).then_some(true))),
            [(1, 10), (1, 12)]
        );
        assert_eq!(named(all.due(|_| None)), [(2, 11)]);
    }
}
