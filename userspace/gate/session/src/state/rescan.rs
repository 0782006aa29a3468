//! When a stopped session is examined again without a kick.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// First and longest pause between two rescans: the backstop for a kick that was lost with its
/// sender.
const RESCAN: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(100));

/// When something is due, if it is.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Due(#[serde(with = "crate::clock::maybe_at")] pub(crate) Option<Instant>);

impl Due {
    /// It is due at `at`, or earlier.
    pub(crate) fn by(&mut self, at: Instant) {
        self.0 = Some(self.0.map_or(at, |other| other.min(at)));
    }

    /// Whether it is due at `now`; true only once.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        self.0.take_if(|at| *at <= now).is_some()
    }
}

/// Schedule of the rescans of a stopped session.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Rescan {
    #[serde(with = "crate::clock::maybe_at")]
    pub(crate) at: Option<Instant>,
    pub(crate) pause: Duration,
    /// The session can be destroyed and waits for its turn: neither rescans nor its deadline change that.
    pub(crate) is_ready: bool,
    /// Users at the last rescan.
    pub(crate) users: u64,
    /// Whether the last examination since the stop saw a caller or a loan, or there was none. Then
    /// the end of a thread may be the only sign that they have left. A caller that comes later finds
    /// the gate closed; an examination that sees it waits for it again.
    pub(crate) awaits_users: bool,
}

impl Default for Rescan {
    fn default() -> Self {
        Self {
            at: None,
            pause: RESCAN.0,
            is_ready: false,
            users: 0,
            awaits_users: true,
        }
    }
}

impl Rescan {
    /// Starts over with the shortest pause.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.is_ready = false;
        self.pause = RESCAN.0;
        self.at = Some(now + self.pause);
    }

    /// Starts over if the rescans have ended.
    pub(crate) fn resume(&mut self, now: Instant) {
        if self.at.is_none() {
            self.begin(now);
        }
    }

    pub(crate) fn again(&mut self, now: Instant) {
        self.pause = (self.pause * 2).min(RESCAN.1);
        self.at = Some(now + self.pause);
    }

    pub(crate) fn end(&mut self) {
        self.at = None;
    }
}
