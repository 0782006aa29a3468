//! Facts that the driver gives with an event.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// Facts that the driver gives with an event: the same for all that the event decides.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Facts {
    /// The time, for deadlines and pauses.
    #[serde(with = "crate::clock::at")]
    pub now: Instant,
    /// The time limits in force.
    pub timeouts: Timeouts,
    /// The poller that the session is placed on.
    pub poller: PollerFact,
    /// Frames of the session that were sent, and dropped, since it was created.
    pub sent_and_dropped: (u64, u64),
    /// Open requests whose requesters are gone, or never wanted an answer.
    pub left: Vec<u64>,
}

/// Whether a poller works; else which one, why, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PollerFact {
    /// It works.
    Works,
    /// It hands back what it has, and takes nothing.
    Died(String),
    /// It hands nothing back: it makes no turn.
    Stalled(String),
}

/// Time limits of the configuration.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Timeouts {
    /// How long a poller may take to hand a session back.
    pub quiesce: Duration,
    /// From a stop to the first warning that users remain; zero: no warnings.
    pub drain_warning: Duration,
}
