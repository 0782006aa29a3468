//! What a poller does after a turn without work: it looks again, sleeps for a time, or until a packet comes.
//!
//! Packets that come fast must not wake it one by one, and it need not spin for them: while many come within
//! the latency bound, it sleeps for a time and takes them together. It does not near the end of a unit, whose
//! consumer waits for the last packet.

use std::time::Duration;

use crate::config::{Idle, Rest};
use crate::flow::arrivals::Arrivals;

/// Longest sleep: a backstop in case a wake-up is lost.
const LONGEST_SLEEP_NS: u64 = 1_000_000_000;
/// A shorter sleep costs more than to spin.
const SHORTEST_NAP_NS: u64 = 20_000;
/// Longest sleep if nothing wakes the poller for a packet: a burst after it fits each ring.
const LONGEST_NAP_NS: u64 = 1_000_000;
/// Such a sleep is at most this part of the silence before it.
const PART_OF_SILENCE: u64 = 8;
/// Time to spin after the last work: packets come in trains.
const SPIN_NS: u64 = 20_000;
/// With fewer packets in the latency bound, each one wakes the poller.
const FEW_PACKETS: u64 = 2;

/// What a poller does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pause {
    Spin,
    /// It sleeps for so many nanoseconds; packets do not wake it.
    Nap(u64),
    /// It sleeps for at most so many nanoseconds; a packet wakes it.
    Wait(u64),
}

/// The packets of all ports of a poller.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flow {
    /// When the last one was found.
    last_ns: u64,
    /// Those that come within the latency bound.
    expected: u64,
    /// For how long each ring has room.
    room_ns: u64,
}

/// Decides between spinning and sleeping.
#[derive(Debug)]
pub(crate) struct Idler {
    policy: Idle,
    wake_ns: u64,
    latency_ns: u64,
    spin_ns: Option<u64>,
    nap_ns: Option<u64>,
    /// Whether every port has a descriptor that wakes the poller.
    sees_packets: bool,
    worked_at_ns: u64,
}

impl Idler {
    pub(crate) fn new(policy: Idle, rest: Rest, sees_packets: bool) -> Self {
        let ns = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX / 4);
        Self {
            policy,
            wake_ns: ns(rest.wake),
            latency_ns: ns(rest.latency),
            spin_ns: rest.spin.map(ns),
            nap_ns: rest.nap.map(ns),
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

    /// What comes to these ports.
    pub(crate) fn flow<'a>(&self, ports: impl Iterator<Item = &'a Arrivals>) -> Flow {
        let nothing = Flow {
            last_ns: 0,
            expected: 0,
            room_ns: u64::MAX,
        };
        ports.fold(nothing, |all, port| Flow {
            last_ns: all.last_ns.max(port.last_ns()),
            expected: all.expected.saturating_add(port.expected(self.latency_ns)),
            room_ns: all.room_ns.min(port.room_ns()),
        })
    }

    /// What to do until the next work, which is due at `due_ns`. `ends_near` tells whether a unit probably ends so
    /// many nanoseconds before or after now.
    pub(crate) fn pause(
        &self,
        now_ns: u64,
        due_ns: u64,
        flow: Flow,
        ends_near: impl FnOnce(u64) -> bool,
    ) -> Pause {
        let remaining_ns = due_ns.saturating_sub(now_ns);
        if self.policy == Idle::Busy || remaining_ns <= 2 * self.wake_ns {
            return Pause::Spin;
        }
        let most_ns = remaining_ns - self.wake_ns;
        let quiet_ns = now_ns.saturating_sub(self.worked_at_ns);
        let silence_ns = now_ns.saturating_sub(flow.last_ns);
        if self.spin_ns.is_some() || self.nap_ns.is_some() {
            return match self.nap_ns {
                _ if quiet_ns < self.spin_ns.unwrap_or(SPIN_NS) => Pause::Spin,
                Some(nap_ns) => Pause::Nap(most_ns.min(nap_ns)),
                None => self.wait(silence_ns, most_ns),
            };
        }
        let nap_ns = self.latency_ns.min(flow.room_ns);
        if flow.expected < FEW_PACKETS || silence_ns >= self.latency_ns {
            return self.wait(silence_ns, most_ns);
        }
        if ends_near(2 * self.latency_ns) {
            // Without a descriptor a sleep would be longer than a train.
            return match quiet_ns < SPIN_NS || !self.sees_packets {
                true => Pause::Spin,
                false => self.wait(silence_ns, most_ns),
            };
        }
        match nap_ns < SHORTEST_NAP_NS {
            true => Pause::Spin,
            false => Pause::Nap(most_ns.min(nap_ns)),
        }
    }

    /// Sleeps until a packet comes, or as long as it may come unseen.
    fn wait(&self, silence_ns: u64, most_ns: u64) -> Pause {
        if self.sees_packets {
            return Pause::Wait(most_ns.min(LONGEST_SLEEP_NS));
        }
        let shortest_ns = self.latency_ns.clamp(SHORTEST_NAP_NS, LONGEST_NAP_NS);
        let nap_ns = (silence_ns / PART_OF_SILENCE).clamp(shortest_ns, LONGEST_NAP_NS);
        Pause::Nap(most_ns.min(nap_ns))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LATENCY_NS: u64 = 100_000;
    const WAKE_NS: u64 = 60_000;
    const NOW_NS: u64 = 1 << 40;

    fn adaptive(sees_packets: bool) -> Idler {
        Idler::new(Idle::Adaptive, Rest::default(), sees_packets)
    }

    /// Of packets that came `ago_ns` before [`NOW_NS`].
    const fn flow(expected: u64, ago_ns: u64) -> Flow {
        Flow {
            last_ns: NOW_NS - ago_ns,
            expected,
            room_ns: 10 * LATENCY_NS,
        }
    }

    fn far(_: u64) -> bool {
        false
    }

    #[test]
    fn packets_come_fast_then_it_naps_until_the_end_is_near() {
        let mut idler = adaptive(true);
        idler.worked(NOW_NS);
        let many = flow(10, 0);
        let pause = |idler: &Idler, flow, near: bool| {
            let ends_near = |within_ns| {
                assert_eq!(within_ns, 2 * LATENCY_NS);
                near
            };
            idler.pause(NOW_NS, u64::MAX, flow, ends_near)
        };
        assert_eq!(pause(&idler, many, false), Pause::Nap(LATENCY_NS));
        assert_eq!(pause(&idler, many, true), Pause::Spin);
        idler.worked(NOW_NS - SPIN_NS);
        assert_eq!(
            pause(&idler, many, true),
            Pause::Wait(LONGEST_SLEEP_NS),
            "the train is over"
        );
        let full = |room_ns| Flow { room_ns, ..many };
        assert_eq!(pause(&idler, full(30_000), false), Pause::Nap(30_000));
        assert_eq!(pause(&idler, full(SHORTEST_NAP_NS - 1), false), Pause::Spin);
        let blind = adaptive(false);
        assert_eq!(pause(&blind, many, true), Pause::Spin);
        assert_eq!(pause(&blind, many, false), Pause::Nap(LATENCY_NS));
    }

    #[test]
    fn few_packets_or_none_then_the_next_one_wakes_it() {
        let idler = adaptive(true);
        for quiet in [flow(1, 0), flow(10, LATENCY_NS), flow(0, NOW_NS)] {
            let pause = idler.pause(NOW_NS, u64::MAX, quiet, far);
            assert_eq!(pause, Pause::Wait(LONGEST_SLEEP_NS));
        }
        let blind = adaptive(false);
        let nap = |ago_ns| blind.pause(NOW_NS, u64::MAX, flow(1, ago_ns), far);
        assert_eq!(nap(0), Pause::Nap(LATENCY_NS));
        assert_eq!(nap(4_000_000), Pause::Nap(500_000));
        assert_eq!(nap(NOW_NS), Pause::Nap(LONGEST_NAP_NS));
    }

    #[test]
    fn work_is_due_then_it_sleeps_until_a_wake_up_before() {
        let idler = adaptive(true);
        let pause = |due_ns| idler.pause(NOW_NS, due_ns, flow(10, NOW_NS), far);
        assert_eq!(pause(NOW_NS - 1), Pause::Spin);
        assert_eq!(pause(NOW_NS + 2 * WAKE_NS), Pause::Spin);
        assert_eq!(pause(NOW_NS + 5 * WAKE_NS), Pause::Wait(4 * WAKE_NS));
        let busy = Idler::new(Idle::Busy, Rest::default(), true);
        assert_eq!(
            busy.pause(NOW_NS, u64::MAX, flow(10, NOW_NS), far),
            Pause::Spin
        );
    }

    #[test]
    fn times_set_by_hand_are_kept_to() {
        let by_hand = |spin_us: Option<u64>, nap_us: Option<u64>| {
            let rest = Rest {
                spin: spin_us.map(Duration::from_micros),
                nap: nap_us.map(Duration::from_micros),
                ..Rest::default()
            };
            let mut idler = Idler::new(Idle::Adaptive, rest, true);
            idler.worked(NOW_NS - SPIN_NS);
            idler.pause(NOW_NS, u64::MAX, flow(10, 0), far)
        };
        assert_eq!(by_hand(Some(0), Some(300)), Pause::Nap(300_000));
        assert_eq!(by_hand(None, Some(300)), Pause::Nap(300_000));
        assert_eq!(by_hand(Some(21), Some(300)), Pause::Spin);
        assert_eq!(by_hand(Some(0), None), Pause::Wait(LONGEST_SLEEP_NS));
    }

    /// Trains: the pause before each in ns, and its packets, 700 ns apart: as fast as 10 Gbit/s.
    fn trains() -> impl Strategy<Value = Vec<(u64, u64)>> {
        let pause = prop_oneof![0u64..30_000, 0u64..2_000_000, 0u64..3_000_000_000];
        prop::collection::vec((pause, 1u64..200), 1..60)
    }

    proptest! {
        /// Whatever comes, a ring does not overflow, and no packet waits longer than the poller may sleep.
        #[test]
        fn any_trains_then_no_ring_overflows_and_no_packet_waits(
            trains in trains(),
            sees_packets: bool,
            ring in prop_oneof![Just(2048u64), Just(4096), Just(16_384)],
            near: bool,
        ) {
            let mut idler = adaptive(sees_packets);
            let (mut port, mut now_ns) = (Arrivals::new(u32::try_from(ring).ok()), NOW_NS);
            let mut at_ns = NOW_NS;
            let packets: Vec<_> = trains.iter().flat_map(|(pause_ns, count)| {
                at_ns += pause_ns;
                let first_ns = at_ns;
                at_ns += count * 700;
                (0..*count).map(move |number| first_ns + number * 700)
            }).collect();
            let mut taken = 0;
            while taken < packets.len() {
                let waiting = packets[taken..].iter().take_while(|at_ns| **at_ns <= now_ns).count();
                prop_assert!(waiting as u64 <= ring);
                let longest_ns = if sees_packets { LATENCY_NS } else { LONGEST_NAP_NS };
                if waiting > 0 {
                    prop_assert!(now_ns - packets[taken] <= longest_ns);
                    taken += waiting;
                    idler.worked(now_ns);
                    now_ns += 300;
                    continue;
                }
                port.look(taken as u64, now_ns);
                let flow = idler.flow([&port].into_iter());
                now_ns = match idler.pause(now_ns, u64::MAX, flow, |_| near) {
                    Pause::Spin => now_ns + 300,
                    Pause::Nap(ns) => now_ns + ns,
                    Pause::Wait(ns) => (now_ns + ns).min(packets[taken].max(now_ns)),
                };
            }
        }

        /// No sleep is longer than the bound, a ring's room, or the time until work is due.
        #[test]
        fn any_flow_then_no_nap_beyond_its_bounds(
            (expected, ago_ns, room_ns) in (0u64.., 0u64..NOW_NS, 0u64..),
            due_ns: u64,
            worked_ago_ns in 0u64..NOW_NS,
            sees_packets: bool,
            near: bool,
        ) {
            let mut idler = adaptive(sees_packets);
            idler.worked(NOW_NS - worked_ago_ns);
            let flow = Flow { last_ns: NOW_NS - ago_ns, expected, room_ns };
            let remaining_ns = due_ns.saturating_sub(NOW_NS);
            match idler.pause(NOW_NS, due_ns, flow, |_| near) {
                Pause::Spin => {}
                Pause::Wait(ns) => {
                    prop_assert!(sees_packets && ns <= remaining_ns - WAKE_NS);
                }
                Pause::Nap(ns) => {
                    prop_assert!(ns <= remaining_ns - WAKE_NS);
                    let comes = expected >= FEW_PACKETS && ago_ns < LATENCY_NS;
                    prop_assert!(!(sees_packets || comes) || ns <= LATENCY_NS.min(room_ns));
                    prop_assert!(ns <= LATENCY_NS.max(ago_ns / PART_OF_SILENCE));
                }
            }
        }
    }
}
