//! Reports what happened to a session: the log line, and the event if there is one.

use std::time::Instant;

use onair_api::EventKind;
use onair_session::Note;

use crate::services::Services;
use crate::session::Session;

impl Session {
    /// Logs `note`, and publishes the event of it.
    pub(super) fn report(&self, services: &mut Services, note: Note) {
        let client = self.uid_of_client(&note);
        let more = client.map(|uid| services.client_lines.note(uid, Instant::now()));
        // A client that attaches again and again writes few lines.
        if more != Some(None) {
            self.log(&note, more.flatten().unwrap_or_default());
        }
        if let Some(kind) = event_of(note) {
            self.publish(services, kind);
        }
    }

    /// The user of the client that `note` is about, if a client can cause it by attaching and leaving.
    fn uid_of_client(&self, note: &Note) -> Option<u32> {
        let pid = match note {
            Note::AttachmentEnded { pid, .. } => *pid,
            Note::Reconciled { reconciled } => reconciled.pid,
            _ => return None,
        };
        self.connected.uid_of(pid)
    }

    /// Logs `note`. `more` lines about clients of its user were left out before.
    fn log(&self, note: &Note, more: u64) {
        /// One log line, with the session's id.
        macro_rules! line {
            ($level:ident, $($of:tt)*) => {
                tracing::$level!(target: "onair_session", session = %self.id, $($of)*)
            };
        }
        let (name, more) = (&self.spec.name, (more > 0).then_some(more));
        match note {
            Note::Started { .. } => line!(info, %name, "started"),
            Note::Stopped { .. } => line!(info, %name, "stopped"),
            Note::Expired => line!(info, %name, "its duration has passed"),
            Note::SecondRuntime => line!(error, %name, "a second runtime came back"),
            Note::Abandoned { requester } => line!(
                info, %name, %requester,
                "not destroyed: the requester closed the connection"
            ),
            Note::NotDestroyed { code, reason } => {
                line!(warn, %name, %code, reason, "not destroyed");
            }
            Note::Contradicted => line!(
                error, %name,
                "the witnesses contradict each other; nothing is freed"
            ),
            Note::Destroyed { .. } => line!(info, %name, "destroyed"),
            Note::Quarantined => line!(warn, %name, "quarantined"),
            Note::Freed => line!(info, %name, "its last holder is gone"),
            Note::NotAttached { attachment, reason } => {
                line!(error, attachment, %reason, "not attached");
            }
            Note::MemoryTouched { attachment, pid } => line!(
                error,
                attachment,
                pid,
                "a client punched a hole in its memory, or wrote it with a system call: it is evicted"
            ),
            Note::ProtocolBroken {
                attachment,
                violation,
            } => line!(error, attachment, what = ?violation, "a client broke the protocol"),
            Note::Evicted {
                attachment,
                pid,
                command,
                cause,
            } => line!(warn, attachment, pid, %command, %cause, "evicted"),
            // It is logged when it is evicted.
            Note::TakenBack { .. } => {}
            Note::AttachmentEnded {
                attachment, pid, ..
            } => line!(info, attachment, pid, more, "attachment ended"),
            Note::Reconciled { reconciled: it } => tracing::info!(
                target: "onair_session", pid = it.pid, tid = ?it.tid, frames = it.frames,
                slots = it.slots, cause = %it.cause, more, "reconciled"
            ),
        }
    }
}

fn event_of(note: Note) -> Option<EventKind> {
    Some(match note {
        Note::Started { generation } => EventKind::SessionStarted { generation },
        Note::Stopped {
            attachments,
            callers,
        } => EventKind::SessionStopped {
            attachments,
            callers,
        },
        Note::Destroyed {
            operation,
            requester,
        } => EventKind::Destroyed {
            operation,
            requester,
        },
        Note::TakenBack { eviction } => EventKind::Evicted { eviction },
        Note::AttachmentEnded {
            attachment,
            pid,
            command,
            cause,
        } => EventKind::ClientLeft {
            attachment,
            pid,
            command,
            cause,
        },
        Note::Reconciled { reconciled } => EventKind::Reconciled { reconciled },
        // The event comes with the users' names, or there is none.
        Note::Expired
        | Note::SecondRuntime
        | Note::Abandoned { .. }
        | Note::NotDestroyed { .. }
        | Note::Contradicted
        | Note::Quarantined
        | Note::Freed
        | Note::NotAttached { .. }
        | Note::MemoryTouched { .. }
        | Note::ProtocolBroken { .. }
        | Note::Evicted { .. } => return None,
    })
}
