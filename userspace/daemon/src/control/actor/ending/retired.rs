//! After a session has ended: answers the requester, and releases its counter index and its memory.

use std::time::Instant;

use onair_api::SessionRef;
use onair_session::shutdown::ShutdownEvent;

use crate::control::actor::Actor;
use crate::control::schedule::TURN;
use crate::session::{Progress, complete};

impl Actor {
    /// Removes a destroyed session, and answers the requester.
    pub(crate) fn follow(&mut self, id: u64, progress: Progress) {
        let answer = match progress {
            // The caller that asked for these does what follows.
            Progress::Lives | Progress::NotAdmitted(_) | Progress::Quarantined(_) => return,
            Progress::Due => return self.examine_soon(id),
            Progress::Ready => return self.ending.note(ShutdownEvent::Ready(id)),
            Progress::Destroyed(certificate, via, reply) => Some((certificate, via, reply)),
            Progress::Freed => None,
        };
        let gone = self.sessions.remove(id);
        if let (Some(session), Some((_, via, _))) = (&gone, &answer) {
            Self::gone(&mut self.services, session, *via);
        }
        // Its taps are gone with it.
        self.end_recordings_of(id);
        if let Some(session) = gone.or_else(|| self.sessions.remove_quarantined(id)) {
            self.numbers.ended(session.index);
        }
        if let Some((certificate, _, reply)) = answer {
            self.services.answer_when_durable(certificate, reply);
        }
    }

    /// Frees memory that no process has any more, for a turn's time, and completes the certificates.
    pub(crate) fn sweep_pending_reclaim(&mut self) {
        self.sweep_until(Instant::now() + TURN);
    }

    pub(super) fn sweep_until(&mut self, until: Instant) {
        for (session, bytes, reading) in self.services.pending_reclaim.sweep(until) {
            let found = self.services.archive.find(&SessionRef::Id(session));
            if let Some(mut certificate) = found.cloned() {
                complete(&mut certificate, &mut self.services, bytes, reading);
            }
        }
    }
}
