//! Behaviour of a poller after an idle turn.

use std::time::Duration;

use onair_dpdk::RxQueue;

use crate::config::{Idle, Rest};

/// Longest sleep: a backstop in case a wake-up is lost.
const LONGEST_SLEEP_NS: u64 = 1_000_000_000;

/// Which packets end the sleep of a poller, the weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wakes {
    /// None: it looks after a nap.
    Never,
    /// The first one after a nap without packets. While packets come it naps: to wake it for each one costs more.
    AfterSilence,
    /// Each one.
    Always,
}

impl Wakes {
    /// Of the poller of these queues.
    pub(crate) fn of<'a>(queues: impl Iterator<Item = &'a RxQueue>) -> Self {
        let one = |queue: &RxQueue| match queue.wait_fd() {
            None => Self::Never,
            Some(_) if queue.has_packet_socket() => Self::AfterSilence,
            Some(_) => Self::Always,
        };
        queues.map(one).min().unwrap_or(Self::Always)
    }
}

/// A sleep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sleep {
    /// Longest time, nanoseconds.
    pub(crate) ns: u64,
    /// Packets of AF_PACKET end it, too.
    pub(crate) until_packet: bool,
}

/// Decides between spinning and sleeping.
#[derive(Debug)]
pub(crate) struct Idler {
    policy: Idle,
    spin_ns: u64,
    wake_ns: u64,
    nap_ns: u64,
    wakes: Wakes,
    worked_at_ns: u64,
    /// Packets until then.
    packets: u64,
    /// Mean time from one packet to the next.
    interval_ns: u64,
}

impl Idler {
    pub(crate) fn new(policy: Idle, rest: Rest, wakes: Wakes) -> Self {
        let ns = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX / 4);
        Self {
            policy,
            spin_ns: ns(rest.spin),
            wake_ns: ns(rest.wake),
            nap_ns: ns(rest.nap),
            wakes,
            worked_at_ns: 0,
            packets: 0,
            interval_ns: 0,
        }
    }

    /// Which packets wake the poller, from now on.
    pub(crate) const fn set_wakes(&mut self, wakes: Wakes) {
        self.wakes = wakes;
    }

    /// The turn at `now_ns` had work; there were `packets` so far.
    pub(crate) fn worked(&mut self, now_ns: u64, packets: u64) {
        let since_ns = now_ns.saturating_sub(self.worked_at_ns);
        let came = packets.saturating_sub(self.packets);
        if let Some(interval_ns) = since_ns.checked_div(came) {
            // A pause says as little of the next packets as a spin in vain.
            let interval_ns = interval_ns.min(2 * self.spin_ns);
            self.interval_ns = (7 * self.interval_ns + interval_ns) / 8;
        }
        (self.worked_at_ns, self.packets) = (now_ns, packets);
    }

    /// How to sleep if the next work is due at `due_ns`; `None`: do not sleep.
    pub(crate) fn sleep(&self, now_ns: u64, due_ns: u64) -> Option<Sleep> {
        let quiet_ns = now_ns.saturating_sub(self.worked_at_ns);
        let remaining_ns = due_ns.saturating_sub(now_ns);
        let (until_packet, spins) = match self.wakes {
            Wakes::Never => (false, true),
            // Packets that come sooner than after a spin would keep it from its nap.
            Wakes::AfterSilence => (quiet_ns >= self.nap_ns, false),
            // In vain if the next packet comes later.
            Wakes::Always => (true, self.interval_ns < self.spin_ns),
        };
        let spins = spins && quiet_ns < self.spin_ns;
        if self.policy == Idle::Busy || spins || remaining_ns <= 2 * self.wake_ns {
            return None;
        }
        let longest_ns = if until_packet {
            LONGEST_SLEEP_NS
        } else {
            self.nap_ns
        };
        Some(Sleep {
            // Earlier by the time that a wake-up takes.
            ns: longest_ns.min(remaining_ns - self.wake_ns),
            until_packet,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_NS: u64 = 1_000_000_000;
    const SPIN_NS: u64 = 20_000;
    const WAKE_NS: u64 = 60_000;
    const NAP_NS: u64 = 1_000_000;

    /// An idler that has last worked so long before [`NOW_NS`].
    fn adaptive(wakes: Wakes, quiet_ns: u64) -> Idler {
        let mut idler = Idler::new(Idle::Adaptive, Rest::default(), wakes);
        idler.worked(NOW_NS - quiet_ns, 0);
        idler
    }

    const fn nap(ns: u64) -> Option<Sleep> {
        Some(Sleep {
            ns,
            until_packet: false,
        })
    }

    const fn until_packet(ns: u64) -> Option<Sleep> {
        Some(Sleep {
            ns,
            until_packet: true,
        })
    }

    #[test]
    fn idler_each_policy_then_sleeps_only_when_adaptive_and_quiet() {
        let idler = |quiet_ns| adaptive(Wakes::Always, quiet_ns);
        assert_eq!(idler(SPIN_NS - 1).sleep(NOW_NS, u64::MAX), None);
        let quiet = idler(SPIN_NS);
        let sleep = |due_ns| quiet.sleep(NOW_NS, due_ns);
        assert_eq!(sleep(u64::MAX), until_packet(LONGEST_SLEEP_NS));
        assert_eq!(sleep(NOW_NS + 2 * WAKE_NS), None);
        assert_eq!(sleep(NOW_NS + 5 * WAKE_NS), until_packet(4 * WAKE_NS));
        assert_eq!(sleep(NOW_NS - 1), None);
        let busy = Idler::new(Idle::Busy, Rest::default(), Wakes::Always);
        assert_eq!(busy.sleep(NOW_NS, u64::MAX), None);
        let rest = Rest {
            spin: Duration::ZERO,
            wake: Duration::ZERO,
            nap: Duration::from_micros(10),
        };
        let other = Idler::new(Idle::Adaptive, rest, Wakes::Never);
        assert_eq!(other.sleep(NOW_NS, u64::MAX), nap(10_000));
        assert_eq!(other.sleep(1, 2), nap(1));
    }

    #[test]
    fn packets_later_than_a_spin_then_no_spin_until_they_are_dense() {
        let mut idler = Idler::new(Idle::Adaptive, Rest::default(), Wakes::Always);
        let (mut now_ns, mut packets) = (NOW_NS, 0);
        let mut spins = |idler: &mut Idler, interval_ns, count| {
            (now_ns, packets) = (now_ns + interval_ns * count, packets + count);
            idler.worked(now_ns, packets);
            idler.sleep(now_ns + SPIN_NS / 2, u64::MAX).is_none()
        };
        assert!((0..20).all(|_| spins(&mut idler, SPIN_NS / 2, 1)));
        // A pause between two frames.
        assert!(spins(&mut idler, NAP_NS, 1));
        assert!((0..20).all(|_| spins(&mut idler, SPIN_NS / 2, 1)));
        let sparse: Vec<_> = (0..20).map(|_| spins(&mut idler, SPIN_NS * 2, 1)).collect();
        assert_eq!(sparse.last(), Some(&false));
        // One wake-up for several.
        let dense: Vec<_> = (0..20).map(|_| spins(&mut idler, SPIN_NS / 2, 6)).collect();
        assert_eq!(dense.last(), Some(&true));
        // Work without packets.
        assert!(spins(&mut idler, NAP_NS, 0));
    }

    #[test]
    fn nothing_wakes_it_then_it_looks_after_each_nap() {
        for quiet_ns in [SPIN_NS, SPIN_NS + NAP_NS, NOW_NS] {
            let blind = adaptive(Wakes::Never, quiet_ns);
            assert_eq!(blind.sleep(NOW_NS, u64::MAX), nap(NAP_NS));
        }
    }

    #[test]
    fn packet_sockets_then_it_naps_until_a_nap_finds_none() {
        let sleep = |quiet_ns, due_ns| {
            let idler = adaptive(Wakes::AfterSilence, quiet_ns);
            idler.sleep(NOW_NS, due_ns)
        };
        assert_eq!(sleep(0, u64::MAX), nap(NAP_NS));
        assert_eq!(sleep(NAP_NS - 1, u64::MAX), nap(NAP_NS));
        assert_eq!(sleep(NAP_NS, u64::MAX), until_packet(LONGEST_SLEEP_NS));
        assert_eq!(sleep(0, NOW_NS + 2 * WAKE_NS), None);
        let due_ns = NOW_NS + 5 * WAKE_NS;
        assert_eq!(sleep(NAP_NS, due_ns), until_packet(4 * WAKE_NS));
        assert_eq!(sleep(SPIN_NS, due_ns), nap(4 * WAKE_NS));
    }

    #[test]
    fn weakest_queue_decides() {
        assert_eq!(Wakes::of(std::iter::empty()), Wakes::Always);
        assert!(Wakes::Never < Wakes::AfterSilence && Wakes::AfterSilence < Wakes::Always);
    }
}
