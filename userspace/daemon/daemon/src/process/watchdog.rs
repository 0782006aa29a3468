//! The service manager's watchdog (sd_watchdog_enabled(3)). The control thread feeds it, unless no poller
//! works any more.

use std::time::{Duration, Instant};

/// Times that it is fed per watchdog timeout: one that is late must not end the daemon.
const FEEDS: u32 = 4;

/// When to feed it.
#[derive(Debug)]
pub struct Watchdog {
    period: Duration,
    due: Instant,
}

impl Watchdog {
    /// The watchdog that the service manager asks for; `None` if it does not.
    pub fn from_environment() -> Option<Self> {
        sd_notify::watchdog_enabled().map(|time| Self::new(time, Instant::now()))
    }

    /// A watchdog that expires after `time` without being fed.
    pub fn new(time: Duration, now: Instant) -> Self {
        Self {
            period: time / FEEDS,
            due: now,
        }
    }

    /// When it is to be fed next.
    pub fn due(&self) -> Instant {
        self.due
    }

    /// Whether it is to be fed at `now`; the next time is a period later.
    pub fn is_due(&mut self, now: Instant) -> bool {
        let is_due = self.due <= now;
        if is_due {
            self.due = now + self.period;
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watchdog_is_fed_four_times_in_its_time() {
        let now = Instant::now();
        let mut watchdog = Watchdog::new(Duration::from_secs(8), now);
        assert!(watchdog.is_due(now) && !watchdog.is_due(now));
        assert_eq!(watchdog.due(), now + Duration::from_secs(2));
        assert!(watchdog.is_due(now + Duration::from_secs(2)));
        assert_eq!(watchdog.due(), now + Duration::from_secs(4));
    }
}
