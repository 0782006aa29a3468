//! What a poller does after an idle turn.

use std::time::Duration;

use crate::config::{Idle, Rest};

/// Longest sleep: a backstop in case a wake-up is lost.
const LONGEST_SLEEP_NS: u64 = 1_000_000_000;

/// Decides between spinning and sleeping.
#[derive(Debug)]
pub(crate) struct Idler {
    policy: Idle,
    spin_ns: u64,
    wake_ns: u64,
    nap_ns: u64,
    /// Whether every port has a descriptor that wakes the poller.
    sees_packets: bool,
    worked_at_ns: u64,
}

impl Idler {
    pub(crate) fn new(policy: Idle, rest: Rest, sees_packets: bool) -> Self {
        let ns = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX / 4);
        Self {
            policy,
            spin_ns: ns(rest.spin),
            wake_ns: ns(rest.wake),
            nap_ns: ns(rest.nap),
            sees_packets,
            worked_at_ns: 0,
        }
    }

    /// Whether packets wake the poller, from now on.
    pub(crate) const fn set_sees_packets(&mut self, sees_packets: bool) {
        self.sees_packets = sees_packets;
    }

    /// The turn at `now_ns` had work.
    pub(crate) const fn worked(&mut self, now_ns: u64) {
        self.worked_at_ns = now_ns;
    }

    /// Nanoseconds to sleep if the next work is due at `due_ns`; `None`: do not sleep.
    pub(crate) fn sleep_ns(&self, now_ns: u64, due_ns: u64) -> Option<u64> {
        let quiet = now_ns.saturating_sub(self.worked_at_ns);
        let remaining = due_ns.saturating_sub(now_ns);
        if self.policy == Idle::Busy || quiet < self.spin_ns || remaining <= 2 * self.wake_ns {
            return None;
        }
        let longest = if self.sees_packets {
            LONGEST_SLEEP_NS
        } else {
            self.nap_ns
        };
        Some((remaining - self.wake_ns).min(longest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idler_each_policy_then_sleeps_only_when_adaptive_and_quiet() {
        const SPIN_NS: u64 = 20_000;
        const WAKE_NS: u64 = 60_000;
        let rest = Rest::default();
        let mut idler = Idler::new(Idle::Adaptive, rest, true);
        idler.worked(1_000_000);
        assert_eq!(idler.sleep_ns(1_000_000 + SPIN_NS - 1, u64::MAX), None);
        let now = 1_000_000 + SPIN_NS;
        assert_eq!(idler.sleep_ns(now, u64::MAX), Some(LONGEST_SLEEP_NS));
        assert_eq!(idler.sleep_ns(now, now + 2 * WAKE_NS), None);
        assert_eq!(idler.sleep_ns(now, now + 5 * WAKE_NS), Some(4 * WAKE_NS));
        assert_eq!(idler.sleep_ns(now, now - 1), None);
        let blind = Idler::new(Idle::Adaptive, rest, false);
        assert_eq!(blind.sleep_ns(now, u64::MAX), Some(1_000_000));
        let busy = Idler::new(Idle::Busy, rest, true);
        assert_eq!(busy.sleep_ns(now, u64::MAX), None);
        let other = Rest {
            spin: Duration::ZERO,
            wake: Duration::ZERO,
            nap: Duration::from_micros(10),
        };
        let other = Idler::new(Idle::Adaptive, other, false);
        assert_eq!(other.sleep_ns(1, u64::MAX), Some(10_000));
        assert_eq!(other.sleep_ns(1, 2), Some(1));
    }
}
