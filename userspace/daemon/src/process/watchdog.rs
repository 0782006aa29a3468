//! The service manager's watchdog (sd_watchdog_enabled(3)). The control thread feeds it, and only
//! if every poller has made a turn since the last time.
//!
//! A sleeping poller makes no turn by itself for up to a second, so each check wakes all pollers. A
//! poller that has died is reported elsewhere, and is not waited for.

use std::time::{Duration, Instant};

/// Checks per watchdog timeout: one late check must not end the daemon.
const LOOKS: u32 = 4;

/// The result of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchdogCheck {
    /// All pollers made progress: feed the watchdog.
    Feed,
    /// These pollers made no turn: do not feed the watchdog.
    Stuck(Vec<usize>),
}

/// When to check, and the turns seen last.
#[derive(Debug)]
pub struct Watchdog {
    period: Duration,
    due: Instant,
    turns: Vec<Option<u64>>,
}

impl Watchdog {
    /// The watchdog that the service manager asks for; `None` if it does not.
    pub fn from_environment() -> Option<Self> {
        sd_notify::watchdog_enabled().map(|time| Self::new(time, Instant::now()))
    }

    /// A watchdog that expires after `time` without being fed.
    pub fn new(time: Duration, now: Instant) -> Self {
        Self {
            period: time / LOOKS,
            due: now,
            turns: Vec::new(),
        }
    }

    /// When the next check is due.
    pub fn due(&self) -> Instant {
        self.due
    }

    /// Checks `turns`, the number of turns of each poller so far, `None` for one that has died. The
    /// caller wakes the pollers afterwards.
    pub fn look(&mut self, now: Instant, turns: Vec<Option<u64>>) -> WatchdogCheck {
        self.due = now + self.period;
        let before = std::mem::replace(&mut self.turns, turns);
        let is_stuck = |(index, now): (usize, &Option<u64>)| {
            let before = before.get(index).copied().flatten();
            (now.is_some() && *now == before).then_some(index)
        };
        let stuck: Vec<usize> = self.turns.iter().enumerate().filter_map(is_stuck).collect();
        if stuck.is_empty() {
            WatchdogCheck::Feed
        } else {
            WatchdogCheck::Stuck(stuck)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watchdog_is_fed_only_while_all_living_pollers_move() {
        let now = Instant::now();
        let mut watchdog = Watchdog::new(Duration::from_secs(8), now);
        assert_eq!(watchdog.due(), now);
        assert_eq!(
            watchdog.look(now, vec![Some(0), Some(5)]),
            WatchdogCheck::Feed
        );
        assert_eq!(watchdog.due(), now + Duration::from_secs(2));
        assert_eq!(
            watchdog.look(now, vec![Some(1), Some(6)]),
            WatchdogCheck::Feed
        );
        assert_eq!(
            watchdog.look(now, vec![Some(1), Some(7)]),
            WatchdogCheck::Stuck(vec![0])
        );
        assert_eq!(
            watchdog.look(now, vec![Some(1), Some(7)]),
            WatchdogCheck::Stuck(vec![0, 1])
        );
        assert_eq!(
            watchdog.look(now, vec![Some(2), Some(8)]),
            WatchdogCheck::Feed
        );
        assert_eq!(watchdog.look(now, vec![None, Some(9)]), WatchdogCheck::Feed);
        assert_eq!(
            watchdog.look(now, vec![None, Some(9)]),
            WatchdogCheck::Stuck(vec![1])
        );
        assert_eq!(watchdog.look(now, Vec::new()), WatchdogCheck::Feed);
    }
}
