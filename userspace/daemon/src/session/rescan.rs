//! When a session that is stopped is looked at again without a kick.

use std::time::{Duration, Instant};

/// First and longest pause between two looks that nothing asked for: the backstop for a kick that
/// was lost with its sender.
const RESCAN: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(100));

/// When a stopped session is looked at again without being asked to.
#[derive(Debug)]
pub(super) struct Rescan {
    pub(super) at: Option<Instant>,
    pub(super) pause: Duration,
    /// The next look also looks for threads that ended inside a call.
    pub(super) dead: bool,
    /// Users at the last look.
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

    /// The next look also looks for threads that ended inside a call.
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
