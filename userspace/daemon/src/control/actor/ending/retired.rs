//! After a session has ended: answers the requester, and releases its counter index and its memory.

use std::time::Instant;

use onair_api::{Certificate, SessionRef};
use onair_archive::when_durable;
use tokio::sync::oneshot;

use crate::config::ms;
use crate::control::actor::Actor;
use crate::services::reply::Reply;
use crate::session::{Progress, complete};
use onair_session::shutdown::ShutdownEvent;

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
            // At the end of the list: the kernel's count at an index may have to reach zero first.
            self.free_indices.push_back(session.index);
            self.destroyed += 1;
        }
        if let Some((certificate, _, reply)) = answer {
            self.answer_when_durable(certificate, reply);
        }
    }

    /// Answers the request that ended a session once its certificate is on disk and the file of a
    /// persistent session is gone. If the disk fails, or takes longer than `timeouts.durable_ms`,
    /// the answer says so. The control thread does not wait.
    pub(crate) fn answer_when_durable(
        &self,
        mut certificate: Box<Certificate>,
        reply: Reply<Box<Certificate>>,
    ) {
        if reply.is_unwanted() {
            return;
        }
        let (told, on_disk) = oneshot::channel();
        let services = &self.services;
        // The requester may be gone.
        let then = move |is_durable| told.send(is_durable).unwrap_or_default();
        let (session, name) = (certificate.session, &certificate.name);
        when_durable(&services.archive, &services.store, session, name, then);
        let timeout = ms(services.config.timeouts.durable_ms);
        tokio::task::spawn_local(async move {
            let on_disk = tokio::time::timeout(timeout, on_disk).await;
            // A writer that has died sends nothing.
            certificate.durable = matches!(on_disk, Ok(Ok(true)));
            reply.send(Ok(certificate));
        });
    }

    /// Frees memory that no process has any more, until `until` at most, and completes the
    /// certificates.
    pub(crate) fn sweep_pending_reclaim(&mut self, until: Instant) {
        for (session, bytes, reading) in self.services.pending_reclaim.sweep(until) {
            let found = self.services.archive.find(&SessionRef::Id(session));
            if let Some(mut certificate) = found.cloned() {
                complete(&mut certificate, &mut self.services, bytes, reading);
            }
        }
    }
}
