//! What a poller does when a turn found nothing to do.

use super::config::Idle;

/// So long it spins after the last thing it did: packets come in trains.
const SPIN_NS: u64 = 20_000;
/// Waking up takes so long; a due time that is nearer is waited for by spinning.
const WAKE_NS: u64 = 60_000;
/// Sleep where no descriptor tells of packets.
const BLIND_SLEEP_NS: u64 = 1_000_000;
/// Longest sleep: a backstop.
const LONGEST_SLEEP_NS: u64 = 1_000_000_000;

/// Decides between spinning and sleeping.
#[derive(Debug)]
pub(super) struct Idler {
    policy: Idle,
    /// Whether every port has a descriptor that wakes the poller.
    sees_packets: bool,
    worked_at_ns: u64,
}

impl Idler {
    pub(super) const fn new(policy: Idle, sees_packets: bool) -> Self {
        Self {
            policy,
            sees_packets,
            worked_at_ns: 0,
        }
    }

    /// The turn at `now_ns` did something.
    pub(super) const fn worked(&mut self, now_ns: u64) {
        self.worked_at_ns = now_ns;
    }

    /// How many nanoseconds to sleep when the next thing is due at `due_ns`; `None`: go on.
    pub(super) fn sleep_ns(&self, now_ns: u64, due_ns: u64) -> Option<u64> {
        let quiet = now_ns.saturating_sub(self.worked_at_ns);
        let left = due_ns.saturating_sub(now_ns);
        if self.policy == Idle::Busy || quiet < SPIN_NS || left <= 2 * WAKE_NS {
            return None;
        }
        let longest = if self.sees_packets {
            LONGEST_SLEEP_NS
        } else {
            BLIND_SLEEP_NS
        };
        Some((left - WAKE_NS).min(longest))
    }
}

#[cfg(test)]
#[expect(non_snake_case, reason = "subject__action__then_result")]
mod tests {
    use super::*;

    #[test]
    fn idler__each_policy__then_sleeps_only_when_adaptive_quiet_and_nothing_is_near() {
        let mut idler = Idler::new(Idle::Adaptive, true);
        idler.worked(1_000_000);
        assert_eq!(idler.sleep_ns(1_000_000 + SPIN_NS - 1, u64::MAX), None);
        let now = 1_000_000 + SPIN_NS;
        assert_eq!(idler.sleep_ns(now, u64::MAX), Some(LONGEST_SLEEP_NS));
        assert_eq!(idler.sleep_ns(now, now + 2 * WAKE_NS), None);
        assert_eq!(idler.sleep_ns(now, now + 5 * WAKE_NS), Some(4 * WAKE_NS));
        assert_eq!(idler.sleep_ns(now, now - 1), None);
        let blind = Idler::new(Idle::Adaptive, false);
        assert_eq!(blind.sleep_ns(now, u64::MAX), Some(BLIND_SLEEP_NS));
        assert_eq!(Idler::new(Idle::Busy, true).sleep_ns(now, u64::MAX), None);
    }
}
