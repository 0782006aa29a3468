//! What is left of a session: the answer to who ended it, its place in the counters, its memory.

use std::time::Instant;

use onair_mutant::mutant;
use onair_types::{Certificate, SessionName, SessionRef};

use super::Actor;
use crate::config::ms;
use crate::reply::Reply;
use crate::session::{Progress, complete};

impl Actor {
    /// Takes a destroyed session out, and answers who asked.
    pub(super) fn follow(&mut self, id: u64, progress: Progress) {
        let answer = match progress {
            Progress::Lives => return,
            Progress::Ready => {
                let session = self.sessions.get(&id);
                self.ready.extend(session.map(|it| (it.spec.priority, id)));
                return;
            }
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
            self.answer_when_durable(certificate, destroy.reply);
        }
    }

    /// Answers the request that ended a session once its certificate is on disk, and the file of a
    /// persistent one is gone. A disk that fails, or takes longer than `timeouts.durable_ms`, is told in
    /// the answer. The control thread does not wait.
    pub(super) fn answer_when_durable(
        &self,
        mut certificate: Box<Certificate>,
        reply: Reply<Box<Certificate>>,
    ) {
        if reply.is_unwanted() {
            return;
        }
        let on_disk = self.on_disk(&certificate);
        let patience = ms(self.services.config.timeouts.durable_ms);
        tokio::task::spawn_local(async move {
            certificate.durable = tokio::time::timeout(patience, on_disk).await == Ok(true);
            reply.send(Ok(certificate));
        });
    }

    /// Whether the disk has all that a certificate's answer promises, when it is known.
    fn on_disk(&self, certificate: &Certificate) -> impl Future<Output = bool> + use<> {
        let name: &SessionName = &certificate.name;
        let written = [
            self.services.archive.written(certificate.session),
            self.services.store.written(name),
        ];
        async move {
            if mutant!("certificate: answered before it is on disk") {
                return true;
            }
            for written in written {
                // A writer that died sends nothing.
                if !matches!(written.await, Ok(Ok(()))) {
                    return false;
                }
            }
            true
        }
    }

    /// Gives back the memory that no process has any more, as far as it comes until `until`, and completes
    /// the certificates.
    pub(super) fn sweep_pending_reclaim(&mut self, until: Instant) {
        for (session, bytes, reading) in self.services.pending_reclaim.sweep(until) {
            let found = self.services.archive.find(&SessionRef::Id(session));
            if let Some(mut certificate) = found.cloned() {
                complete(&mut certificate, &mut self.services, bytes, reading);
            }
        }
    }
}
