//! When a stopped session is examined again without a kick.

use std::time::{Duration, Instant};

/// First and longest pause between two rescans: the backstop for a kick that was lost with its
/// sender.
const RESCAN: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(100));

/// Schedule of the rescans of a stopped session.
#[derive(Debug)]
pub(super) struct Rescan {
    pub(super) at: Option<Instant>,
    pub(super) pause: Duration,
    /// The next rescan also looks for threads that ended inside a call.
    pub(super) dead: bool,
    /// Users at the last rescan.
    pub(super) users: u64,
}

impl Default for Rescan {
    fn default() -> Self {
        Self {
            at: None,
            pause: RESCAN.0,
            dead: false,
            users: 0,
        }
    }
}

impl Rescan {
    /// Starts over with the shortest pause.
    pub(super) fn begin(&mut self) {
        self.pause = RESCAN.0;
        self.at = Some(Instant::now() + self.pause);
    }

    /// Makes the next rescan also look for threads that ended inside a call.
    pub(super) fn look_for_dead(&mut self) {
        self.dead = true;
        self.begin();
    }

    pub(super) fn again(&mut self) {
        self.pause = (self.pause * 2).min(RESCAN.1);
        self.at = Some(Instant::now() + self.pause);
    }

    pub(super) fn end(&mut self) {
        self.at = None;
    }
}
