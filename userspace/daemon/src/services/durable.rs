//! Answers that wait for a disk. The control thread does not.

use onair_api::{Certificate, Problem, ProblemCode, SessionView};
use onair_mutant::mutant;

use super::Services;
use super::reply::Reply;
use crate::config::ms;
use crate::persistence::unwritten::{WriteAck, WriteError};

/// Sends the answer once the write has ended, if there is one. If it failed, the answer is the error.
pub(crate) fn after(written: Option<WriteAck>, reply: Reply<SessionView>) -> Reply<SessionView> {
    let Some(written) = written else {
        return reply;
    };
    let (inner, answer) = Reply::new();
    tokio::task::spawn_local(async move {
        if let Ok(answer) = answer.await {
            let written = written.await;
            let written = written.unwrap_or(Err(WriteError::WriterEnded));
            reply.send(answer.and_then(|view| match written {
                Ok(()) => Ok(view),
                Err(error) => Err(not_kept(&view, &error)),
            }));
        }
    });
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
    /// Answers the request that ended a session once its certificate is on disk and the file of a
    /// persistent session is gone. If the disk fails, or takes longer than `timeouts.durable_ms`,
    /// the answer says so.
    pub(crate) fn answer_when_durable(
        &self,
        mut certificate: Box<Certificate>,
        reply: Reply<Box<Certificate>>,
    ) {
        if reply.is_unwanted() {
            return;
        }
        let on_disk = self.on_disk(&certificate);
        let timeout = ms(self.config.timeouts.durable_ms);
        tokio::task::spawn_local(async move {
            certificate.durable = tokio::time::timeout(timeout, on_disk).await == Ok(true);
            reply.send(Ok(certificate));
        });
    }

    /// Whether everything that a certificate's answer promises is on disk; resolves when that is
    /// known.
    fn on_disk(&self, certificate: &Certificate) -> impl Future<Output = bool> + use<> {
        let written = [
            self.archive.written(certificate.session),
            self.store.written(&certificate.name),
        ];
        async move {
            if mutant!("certificate: answered before it is on disk") {
                return true;
            }
            for written in written {
                // A writer that has died sends nothing.
                if !matches!(written.await, Ok(Ok(()))) {
                    return false;
                }
            }
            true
        }
    }
}
