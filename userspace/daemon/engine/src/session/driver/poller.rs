//! Translation between pollers and the core of a session: events of the one, commands of the other.

use onair_dataplane::{Command, PollerEvent, Runtime};
use onair_session::{Event, PollerCommand};

/// The event for the core of a session, with the session's id. What means more to the daemon than that comes back.
///
/// # Errors
/// The poller's event as it is.
pub fn event(event: PollerEvent) -> Result<(u64, Event<Runtime>), PollerEvent> {
    Ok(match event {
        PollerEvent::LenderBack {
            session, lender, ..
        } => (session, Event::LenderBack(lender)),
        PollerEvent::AttachRefused {
            session,
            lender,
            frames,
            reason,
        } => {
            let refused = Event::AttachRefused {
                lender,
                frames,
                reason,
            };
            (session, refused)
        }
        PollerEvent::Violation {
            session,
            attachment,
            ..
        } => (session, Event::Violated(attachment)),
        PollerEvent::Evicted { session, evicted } => (session, Event::Evicted(evicted)),
        PollerEvent::Flushed { session, flushed } => (session, Event::Flushed(flushed)),
        PollerEvent::ThreadCredited {
            session,
            attachment,
            ticket,
            frames,
        } => {
            let credited = Event::ThreadCredited {
                attachment,
                ticket,
                frames,
            };
            (session, credited)
        }
        other => return Err(other),
    })
}

/// The command of a session's core.
pub(super) fn command(session: u64, command: PollerCommand<Runtime>) -> Command {
    match command {
        PollerCommand::Start(runtime) => Command::Start(runtime),
        PollerCommand::Quiesce => Command::Quiesce(session),
        PollerCommand::Attach { lender, frames } => Command::Attach {
            session,
            lender,
            frames,
        },
        PollerCommand::Detach(attachment) => Command::Detach {
            session,
            attachment,
        },
        PollerCommand::Evict(attachment) => Command::Evict {
            session,
            attachment,
        },
        PollerCommand::Release(attachment) => Command::Release {
            session,
            attachment,
        },
        PollerCommand::CreditThread {
            attachment,
            ticket,
            slot,
        } => Command::CreditThread {
            session,
            attachment,
            ticket,
            slot,
        },
        PollerCommand::Flush { ticket } => Command::Flush { session, ticket },
    }
}
