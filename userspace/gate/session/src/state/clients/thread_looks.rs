//! The last look at one client's threads, and when the next one may be.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::boundary::event::Exit;
use crate::state::rescan::Due;

/// Pause before an exit is examined again that may be the exit of the whole process.
pub(crate) const AGAIN: Duration = Duration::from_millis(20);
/// After a look at a client's threads, they are left alone for this many times its duration, at most [`MOST`].
const REST: u32 = 10;
/// The most that a look counts for: a longer one was held up with its host.
pub(crate) const MOST: Duration = Duration::from_millis(100);

/// When the threads of an attachment may be looked at, and what was asked.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct ThreadLooks {
    pub(crate) is_asked: bool,
    #[serde(with = "crate::clock::maybe_at")]
    not_before: Option<Instant>,
    /// The exits that the question covers.
    pub(crate) exits: Vec<Exit>,
}

impl ThreadLooks {
    /// # Errors
    /// The earliest time at which it may be asked again.
    pub(crate) fn may_look(&self, now: Instant) -> Result<(), Instant> {
        match self.not_before {
            _ if self.is_asked => Err(now + AGAIN),
            Some(at) if at > now => Err(at),
            _ => Ok(()),
        }
    }

    pub(crate) fn looked(&mut self, now: Instant, cost: Duration) {
        self.is_asked = false;
        self.not_before = Some(now + cost.min(MOST) * REST);
    }
}

/// The looks at threads that are due, and the requests for credit. What is known of a client's threads is with the
/// client.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct DeadThreads {
    /// The next examination also looks for threads that ended inside a call.
    pub(crate) look: bool,
    /// When exits are examined again that could not be settled.
    pub(crate) exits: Due,
    /// Number of requests for credit so far.
    pub(crate) tickets: u64,
}
