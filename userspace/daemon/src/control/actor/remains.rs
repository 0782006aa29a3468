//! What is left of a session: the answer to who ended it, its place in the counters, its memory.

use std::time::Instant;

use onair_api::SessionRef;

use super::Actor;
use crate::session::{Progress, complete};

impl Actor {
    /// Takes a destroyed session out, and answers who asked.
    pub(super) fn follow(&mut self, id: u64, progress: Progress) {
        let answer = match progress {
            Progress::Lives => return,
            Progress::Destroyed(certificate, destroy) => Some((certificate, destroy)),
            Progress::Freed => None,
        };
        let gone = self.sessions.remove(&id);
        if let (Some(session), Some((_, destroy))) = (&gone, &answer) {
            self.gone(session, destroy.who.via);
        }
        // Its taps are gone with it.
        self.end_recordings_of(id);
        if let Some(session) = gone.or_else(|| self.quarantined.remove(&id)) {
            // To the end: the kernel's counter at a place may have to run out first.
            self.free_indices.push_back(session.index);
            self.destroyed += 1;
        }
        if let Some((certificate, destroy)) = answer {
            // The requester may have gone.
            let _ = destroy.reply.send(Ok(certificate));
        }
    }

    /// Gives back the memory that no process has any more, as far as it comes until `until`, and completes
    /// the certificates.
    pub(super) fn sweep_limbo(&mut self, until: Instant) {
        for (session, bytes, reading) in self.services.limbo.sweep(until) {
            let found = self.services.archive.find(&SessionRef::Id(session));
            if let Some(mut certificate) = found.cloned() {
                complete(&mut certificate, &mut self.services, bytes, reading);
            }
        }
    }
}
