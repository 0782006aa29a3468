//! Questions about client processes, which helper threads answer.

use std::any::Any;
use std::fmt;
use std::time::Duration;

use onair_api::Blocker;
use onair_dataplane::Runtime;
use onair_ipc::memory::EventCountFile;
use onair_probe::{Blind, SiteReading};
use onair_session::{Event, SiteFinding};

use super::processes::Processes;

/// The probe sites of a client, which the machine watches while this lives.
pub trait Sites: fmt::Debug + Send {
    /// Every look from now on asks for threads that sleep on these event counts, too: those of the client's
    /// attachment to `session`.
    fn watch_event_counts(&self, session: u64, event_counts: EventCountFile);
    /// Makes the [`SiteLook`] that a helper thread takes to the clients.
    fn look(&self) -> Box<dyn SiteLook>;
}

/// The machine's own way to look at a client's sites.
pub trait SiteLook: Any + Send {}

/// Finds out an answer on a helper thread.
pub type Look = Box<dyn FnOnce(&dyn Processes) -> Finding + Send>;

/// The answer to one question.
#[derive(Debug)]
pub enum Finding {
    /// An answer to a question of the session's core.
    Core {
        /// Session id.
        session: u64,
        /// The answer.
        event: Box<Event<Runtime>>,
    },
    /// The users of a session by name, for its warning or its event.
    Blockers {
        /// Session id.
        session: u64,
        /// The users.
        blockers: Vec<Blocker>,
        /// The use of the list.
        purpose: Purpose,
    },
    /// Whether the process of a client is stopped; `None`: the look took too long.
    Stopped {
        /// Session id.
        session: u64,
        /// Attachment number.
        attachment: u64,
        /// The answer.
        is_stopped: Option<bool>,
    },
    /// The helper thread has answered the requester already.
    Told,
    /// Answers to several questions about one process.
    Several(Vec<Finding>),
}

/// The use of a list of blockers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A warning that a session still has users, this long after its stop.
    Warning(Duration),
    /// The event that a session was quarantined, with this number of bytes.
    Quarantined(u64),
}

/// One question about a process.
pub struct Inspection {
    /// The subject: a pid, or a session id for a list of all its users. (No pid is as large as a
    /// session id.)
    pub about: u64,
    /// Maximum duration of the look.
    pub limit: Duration,
    /// Runs on a helper thread.
    pub look: InspectionTask,
    /// The answer if the look takes too long.
    pub late: Look,
}

/// Work of a helper thread.
pub enum InspectionTask {
    /// Work that answers its own question only.
    Alone(Look),
    /// A look at a client's sites: one for all such questions about its process that wait when it
    /// begins. It begins after each of them was asked, so it is an answer to each, with its duration.
    Sites(
        Box<dyn SiteLook>,
        Box<dyn FnOnce(Result<SiteReading, Blind>, Duration) -> Finding + Send>,
    ),
}

impl fmt::Debug for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inspection")
            .field("about", &self.about)
            .finish_non_exhaustive()
    }
}

/// Translates the probe's answer for the core.
pub fn site_finding(seen: Result<SiteReading, Blind>) -> SiteFinding {
    match seen {
        Ok(seen) if seen.asleep.is_empty() => SiteFinding::Armed,
        Ok(_) => SiteFinding::Asleep,
        Err(blind) => match &blind {
            Blind::Unlisted { tids } => SiteFinding::Unlisted {
                users: tids.len() as u64,
                reason: blind.to_string(),
            },
            _ => SiteFinding::Blind(blind.to_string()),
        },
    }
}
