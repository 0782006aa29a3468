//! Reports the core's notes: the log line, and the event if there is one.

use onair_api::{EventKind, EvictionCause};
use onair_ipc::lender::Violation;
use onair_mutant::mutant;
use onair_session::Note;
use onair_settings::diagnostics::rate_limit::{LineLimits, UserLines};

use crate::services::Services;
use crate::session::Session;
use crate::session::converted::is_converter;

impl Session {
    /// Logs `note`, and publishes the event of it.
    pub(super) fn report(&self, services: &mut Services, note: Note) {
        let uid = cause_of(self, &note);
        let limit = limit(&services.lines, &note);
        let more = limit.map(|lines| lines.note_caused(uid, services.machine.now()));
        // A user that does the same again and again writes few lines.
        if more != Some(None) {
            log(self, &note, more.flatten().unwrap_or_default());
        }
        if let Note::Evicted {
            attachment, pid, ..
        } = &note
            && let Some(it) = self.connected.get(*attachment)
            && is_converter(&it.client.who)
        {
            services.machine.end_converter(*pid);
        }
        if let Some(kind) = event_of(note) {
            self.publish(services, uid, kind);
        }
    }

    /// Logs what a poller found in the words of a client, which is evicted for it.
    pub fn log_violation(&self, services: &Services, attachment: u64, what: Violation) {
        let client = self.connected.get(attachment);
        let uid = client.map_or(self.owner.uid, |it| it.client.who.uid);
        let (lines, now) = (&services.lines.faults, services.machine.now());
        if let Some(more) = lines.note_caused(uid, now) {
            tracing::error!(session = %self.id, attachment, ?what, more, "a client broke the protocol");
        }
    }
}

/// The user that caused `note`, and is charged for its lines and events.
fn cause_of(session: &Session, note: &Note) -> u32 {
    let client = match note {
        Note::Started { .. } | Note::Stopped { .. } => return session.requested_by,
        Note::Abandoned { requester } | Note::NotDestroyed { requester, .. } => {
            return requester.uid;
        }
        Note::Evicted { cause, .. } if *cause == EvictionCause::Requested => {
            return session.requested_by;
        }
        Note::TakenBack { eviction } if eviction.cause == EvictionCause::Requested => {
            return session.requested_by;
        }
        Note::TakenBack { eviction } => session.connected.uid_of(eviction.pid),
        Note::AttachmentEnded { pid, .. }
        | Note::MemoryTouched { pid, .. }
        | Note::Evicted { pid, .. } => session.connected.uid_of(*pid),
        Note::Reconciled { reconciled } => session.connected.uid_of(reconciled.pid),
        Note::NotAttached { attachment, .. } | Note::ProtocolBroken { attachment, .. } => {
            let client = session.connected.get(*attachment);
            client.map(|it| it.client.who.uid)
        }
        // Once in the life of a session that this user has.
        Note::Destroyed { .. }
        | Note::Quarantined
        | Note::Freed
        | Note::Expired
        | Note::SecondRuntime
        | Note::Contradicted => None,
    };
    client.unwrap_or(session.owner.uid)
}

/// Logs `note`. `more` such lines of its user were left out before.
fn log(session: &Session, note: &Note, more: Option<u64>) {
    /// One log line, with the session's id.
    macro_rules! line {
        ($level:ident, $($of:tt)*) => {
            tracing::$level!(target: "onair_session", session = %session.id, $($of)*)
        };
    }
    let name = &session.spec.name;
    match note {
        Note::Started { .. } => line!(info, %name, more, "started"),
        Note::Stopped { .. } => line!(info, %name, more, "stopped"),
        Note::Expired => line!(info, %name, "its duration has passed"),
        Note::SecondRuntime => line!(error, %name, "a second runtime came back"),
        Note::Abandoned { requester } => line!(
            info, %name, %requester, more,
            "not destroyed: the requester closed the connection"
        ),
        Note::NotDestroyed { code, reason, .. } => {
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

/// The limit that lines of `note` share.
const fn limit<'a>(lines: &'a LineLimits, note: &Note) -> Option<&'a UserLines> {
    match note {
        Note::AttachmentEnded { .. } | Note::Reconciled { .. } => Some(&lines.clients),
        Note::NotAttached { .. }
        | Note::ProtocolBroken { .. }
        | Note::MemoryTouched { .. }
        | Note::Evicted { .. } => Some(&lines.faults),
        Note::Started { .. }
        | Note::Stopped { .. }
        | Note::Abandoned { .. }
        | Note::NotDestroyed { .. }
        | Note::Destroyed { .. }
        | Note::Quarantined
        | Note::Freed => Some(&lines.sessions),
        Note::Expired | Note::SecondRuntime | Note::Contradicted | Note::TakenBack { .. } => None,
    }
}

fn event_of(note: Note) -> Option<EventKind> {
    if matches!(note, Note::Stopped { .. }) && mutant!("engine: no event tells of a stop") {
        return None;
    }
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
