//! Events and steps between the core of the shutdown and its driver.

use std::time::{Duration, Instant};

use onair_api::SessionState;

/// An event of the shutdown.
#[derive(Clone, Debug)]
pub enum ShutdownEvent {
    /// The clients of these sessions are to be told that the daemon exits.
    Announce(Vec<u64>),
    /// Stop and destroy all sessions. A second one changes nothing.
    Drain(ShutdownOrder),
    /// The state of a session has changed.
    State(u64, SessionState),
    /// A session is gone, also one that was quarantined.
    Ended(u64),
    /// A poller has given back the runtime of a stopped session: it has finished what was submitted.
    HandedBack(u64),
    /// The witnesses agree: a session can be destroyed when its turn comes.
    Ready(u64),
    /// Something happened to sessions which the witnesses have not been asked about.
    ToExamine,
    /// Of the sessions that exist, those with a user and without anything else that they wait for: the answer to
    /// [`ShutdownEffect::LookForUsers`].
    Used(Vec<u64>),
    /// Wait for no user any more.
    Forced,
}

/// The order to end all sessions.
#[derive(Clone, Debug)]
pub struct ShutdownOrder {
    /// All that exist. None is created any more.
    pub sessions: Vec<ToEnd>,
    /// Until when users may take to leave.
    pub deadline: Instant,
    /// Remedy for sessions in use at the deadline.
    pub remedy: Remedy,
    /// How long the remedy may take.
    pub quiesce: Duration,
    /// A daemon takes over: users that stay get the remedy before the deadline, because all sessions would wait for them.
    pub hands_over: bool,
}

/// A session that exists when the shutdown begins.
#[derive(Clone, Copy, Debug)]
pub struct ToEnd {
    /// Its id.
    pub id: u64,
    /// Its place in the order: the lowest number is first.
    pub priority: u8,
    /// Its part in the last units.
    pub last_units: LastUnits,
    /// Its state.
    pub state: SessionState,
}

/// A session's part in the last units that this daemon sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LastUnits {
    /// It sends: its stop finishes what was submitted.
    Sends,
    /// Nothing, or the daemon that takes over receives them.
    NoneOfThem,
    /// It may receive them.
    Receives,
}

/// Remedy for a session that is still in use at the deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// It is left as it is.
    Abandon,
    /// Its users are evicted, and it is destroyed.
    Evict,
    /// It is quarantined.
    Quarantine,
}

/// The next step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShutdownStep {
    /// Do this, report what it changed, and ask again.
    Do(ShutdownEffect),
    /// Nothing, until an event or this time.
    Wait(Option<Instant>),
    /// Nothing any more: every session is destroyed, or the rest cannot be ended.
    Over,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShutdownEffect {
    /// Tell the clients of this session that the daemon exits.
    Announce(u64),
    /// Stop this session.
    Stop(u64),
    /// Every session is stopped: no recording takes packets any more.
    EndRecordings,
    /// Begin to destroy this session: it is destroyed in [`Self::EndInTurn`].
    BeginDestroy {
        /// The session.
        id: u64,
        /// When to give up.
        deadline: Instant,
        /// Time until then.
        remaining: Duration,
    },
    /// Have every session examined: destroys whose time is up give up.
    ExamineAll,
    /// Examine the first few of the sessions to which something happened.
    Examine,
    /// Destroy those of these sessions that have no user now, in this order.
    EndInTurn(Vec<u64>),
    /// This session stays in use: it is left as it is.
    Abandon(u64),
    /// Evict the users of this session and destroy it in [`Self::EndInTurn`].
    Abort {
        /// The session.
        id: u64,
        /// When to give up.
        deadline: Instant,
    },
    /// Quarantine this session.
    Quarantine(u64),
    /// Say in [`ShutdownEvent::Used`] which sessions have users.
    LookForUsers,
    /// Count the remaining sessions and users, for display.
    CountUsers,
}
