//! Answers that wait for a disk. The control thread does not.

use futures_channel::oneshot::{self, Canceled};
use futures_util::future::{Either, select};
use onair_api::{Certificate, Problem, ProblemCode, SessionName, SessionView};
use onair_archive::{WriteError, when_durable};
use onair_mutant::mutant;
use onair_settings::config::ms;

use super::Services;
use super::reply::Reply;
use crate::persistence::written;

/// Sends the answer once the file of a stored session is written. If the write failed, the answer is
/// the error.
pub(crate) fn after(
    services: &Services,
    name: &SessionName,
    reply: Reply<SessionView>,
) -> Reply<SessionView> {
    let (inner, answer) = Reply::new();
    let (told, ack) = oneshot::channel();
    // The requester may be gone.
    services
        .store
        .written(name, move |result| drop(told.send(result)));
    let work = async move {
        if let Ok(answer) = answer.await {
            let written = written(ack).await;
            reply.send(answer.and_then(|view| match written {
                Ok(()) => Ok(view),
                Err(error) => Err(not_kept(&view, &error)),
            }));
        }
    };
    services.machine.spawn(Box::pin(work));
    inner
}

fn not_kept(session: &SessionView, error: &WriteError) -> Problem {
    let (name, state) = (&session.name, session.state);
    let detail = format!(
        "session {name} is {state} and works, but cannot be stored: {error}; \
         if the daemon is killed, this state is not restored"
    );
    Problem::new(ProblemCode::DiskFailed, detail)
}

impl Services {
    /// Answers the request that ended a session once its certificate is on disk, the file of a
    /// persistent session is gone, and its memory is given back: the requester may need the room at once. If the disk
    /// fails, or takes longer than `timeouts.durable_ms`, the answer says so.
    pub fn answer_when_durable(
        &self,
        mut certificate: Box<Certificate>,
        reply: Reply<Box<Certificate>>,
    ) {
        if reply.is_unwanted() {
            return;
        }
        let (told, on_disk) = oneshot::channel();
        // The requester may be gone.
        let then = move |is_durable| told.send(is_durable).unwrap_or_default();
        let (session, name) = (certificate.session, &certificate.name);
        when_durable(&self.archive, &self.store, session, name, then);
        let returned = self.machine.when_returned(session);
        let ends = self.machine.now() + ms(self.config.timeouts.durable_ms);
        let over = self.machine.sleep_until(ends);
        self.machine.spawn(Box::pin(async move {
            let (on_disk, over) = match select(on_disk, over).await {
                Either::Left((on_disk, over)) => (on_disk, Some(over)),
                Either::Right(_) if mutant!("durable: no answer if the disk is late") => return,
                Either::Right(((), _)) => (Err(Canceled), None),
            };
            if let Some(over) = over {
                select(returned, over).await;
            }
            // A writer that has died sends nothing.
            certificate.durable = on_disk == Ok(true);
            reply.send(Ok(certificate));
        }));
    }
}
