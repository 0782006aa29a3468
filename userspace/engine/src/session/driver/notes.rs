//! Reports what happened to a session: the log line, and the event if there is one.

use onair_api::EventKind;
use onair_session::Note;
use onair_settings::access::peer::this_daemon;
use onair_settings::diagnostics::rate_limit::UserLines;

use crate::services::Services;
use crate::session::Session;

impl Session {
    /// Logs `note`, and publishes the event of it.
    pub(super) fn report(&self, services: &mut Services, note: Note) {
        let limit = self.limit(services, &note);
        let more = limit.map(|(lines, uid)| lines.note(uid, services.machine.now()));
        // A user that does the same again and again writes few lines.
        if more != Some(None) {
            self.log(&note, more.flatten().unwrap_or_default());
        }
        if let Some(kind) = event_of(note) {
            self.publish(services, kind);
        }
    }

    /// What limits lines as that of `note`, and the user that counts: none limits root and the daemon.
    fn limit<'a>(&self, services: &'a Services, note: &Note) -> Option<(&'a UserLines, u32)> {
        let lines = &services.lines;
        let owner = self.owner.uid;
        let (lines, uid) = match note {
            Note::AttachmentEnded { pid, .. } => (&lines.clients, self.connected.uid_of(*pid)),
            Note::Reconciled { reconciled } => {
                (&lines.clients, self.connected.uid_of(reconciled.pid))
            }
            Note::NotAttached { attachment, .. } | Note::ProtocolBroken { attachment, .. } => {
                let client = self.connected.get(*attachment);
                (&lines.faults, client.map(|it| it.client.who.uid))
            }
            Note::MemoryTouched { pid, .. } | Note::Evicted { pid, .. } => {
                (&lines.faults, self.connected.uid_of(*pid))
            }
            Note::Started { .. }
            | Note::Stopped { .. }
            | Note::Abandoned { .. }
            | Note::NotDestroyed { .. }
            | Note::Destroyed { .. }
            | Note::Quarantined
            | Note::Freed => (&lines.sessions, Some(owner)),
            Note::Expired | Note::SecondRuntime | Note::Contradicted | Note::TakenBack { .. } => {
                return None;
            }
        };
        let uid = uid.filter(|uid| ![0, this_daemon(0).uid].contains(uid))?;
        Some((lines, uid))
    }

    /// Logs `note`. `more` such lines of its user were left out before.
    fn log(&self, note: &Note, more: u64) {
        /// One log line, with the session's id.
        macro_rules! line {
            ($level:ident, $($of:tt)*) => {
                tracing::$level!(target: "onair_session", session = %self.id, $($of)*)
            };
        }
        let (name, more) = (&self.spec.name, (more > 0).then_some(more));
        match note {
            Note::Started { .. } => line!(info, %name, more, "started"),
            Note::Stopped { .. } => line!(info, %name, more, "stopped"),
            Note::Expired => line!(info, %name, "its duration has passed"),
            Note::SecondRuntime => line!(error, %name, "a second runtime came back"),
            Note::Abandoned { requester } => line!(
                info, %name, %requester, more,
                "not destroyed: the requester closed the connection"
            ),
            Note::NotDestroyed { code, reason } => {
                line!(warn, %name, %code, reason, more, "not destroyed");
            }
            Note::Contradicted => line!(
                error, %name,
                "the witnesses contradict each other; nothing is freed"
            ),
            Note::Destroyed { .. } => line!(info, %name, more, "destroyed"),
            Note::Quarantined => line!(warn, %name, more, "quarantined"),
            Note::Freed => line!(info, %name, more, "its last holder is gone"),
            Note::NotAttached { attachment, reason } => {
                line!(error, attachment, %reason, more, "not attached");
            }
            Note::MemoryTouched { attachment, pid } => line!(
                error,
                attachment,
                pid,
                more,
                "a client punched a hole in its memory, or wrote it with a system call: it is evicted"
            ),
            Note::ProtocolBroken {
                attachment,
                violation,
            } => line!(error, attachment, what = ?violation, more, "a client broke the protocol"),
            Note::Evicted {
                attachment,
                pid,
                command,
                cause,
            } => line!(warn, attachment, pid, %command, %cause, more, "evicted"),
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
