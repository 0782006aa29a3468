//! What a poller does after a turn without work: it looks again, sleeps for a time, or until a packet comes.
//!
//! Packets that come fast must not wake it one by one, and it need not spin for them: while many come, it sleeps for a
//! time and takes them together. A consumer waits for the last packet of its unit. So the sleep is short if any packet
//! may be that one, longer if the unit goes on for long, and none when its end is near.

use std::time::Duration;

use onair_essence::receive::Foreseen;

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
/// For fewer packets it does not sleep: each one wakes it.
const FEW_PACKETS: u64 = 2;
/// A sleep is at most this part of the time to the end of a unit: a sender may become so many times as fast.
const PART_OF_UNIT: u64 = 8;
/// Packets that a sender may send without a pause: so many before the end of a unit, sleeps are short.
const PACKETS_AT_ONCE: u64 = 64;

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
    per_second: u64,
    /// For how long each ring has room.
    room_ns: u64,
}

impl Flow {
    /// What comes to these ports.
    pub(crate) fn of<'a>(ports: impl Iterator<Item = &'a Arrivals>) -> Self {
        let nothing = Self {
            last_ns: 0,
            per_second: 0,
            room_ns: u64::MAX,
        };
        ports.fold(nothing, |all, port| Self {
            last_ns: all.last_ns.max(port.last_ns()),
            per_second: all.per_second.saturating_add(port.per_second()),
            room_ns: all.room_ns.min(port.room_ns()),
        })
    }

    /// Packets that come in `ns`.
    const fn expected(&self, ns: u64) -> u64 {
        self.per_second.saturating_mul(ns) / 1_000_000_000
    }
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

    /// What to do until the next work, which is due at `due_ns`. `foresee` tells how the next unit will probably end;
    /// `None`: with any packet.
    pub(crate) fn pause(
        &self,
        now_ns: u64,
        due_ns: u64,
        flow: Flow,
        foresee: impl FnOnce() -> Option<Foreseen>,
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
        if silence_ns >= self.latency_ns || flow.expected(LONGEST_NAP_NS) < FEW_PACKETS {
            return self.wait(silence_ns, most_ns);
        }
        let near_ns = 2 * self.latency_ns;
        let longest_ns = match foresee() {
            Some(end) if end.ends_ns.abs_diff(now_ns) <= near_ns => {
                // Without a descriptor a sleep would be longer than a train.
                return match quiet_ns < SPIN_NS || !self.sees_packets {
                    true => Pause::Spin,
                    false => self.wait(silence_ns, most_ns),
                };
            }
            Some(end) if end.packets >= PACKETS_AT_ONCE => {
                let part_ns = end.ends_ns.saturating_sub(now_ns) / PART_OF_UNIT;
                part_ns.clamp(self.latency_ns, LONGEST_NAP_NS.max(self.latency_ns))
            }
            Some(_) | None => self.latency_ns,
        };
        let nap_ns = longest_ns.min(flow.room_ns);
        if flow.expected(nap_ns.max(self.latency_ns)) < FEW_PACKETS {
            self.wait(silence_ns, most_ns)
        } else if nap_ns < SHORTEST_NAP_NS {
            Pause::Spin
        } else {
            Pause::Nap(most_ns.min(nap_ns))
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

    /// Of so many packets a millisecond, the last of them `ago_ns` before [`NOW_NS`].
    const fn flow(per_ms: u64, ago_ns: u64) -> Flow {
        Flow {
            last_ns: NOW_NS - ago_ns,
            per_second: per_ms * 1000,
            room_ns: 10 * LATENCY_NS,
        }
    }

    #[test]
    fn packets_come_fast_then_it_naps_until_the_end_is_near() {
        let mut idler = adaptive(true);
        idler.worked(NOW_NS);
        let many = flow(100, 0);
        let pause = |idler: &Idler, flow, end| idler.pause(NOW_NS, u64::MAX, flow, || end);
        let end = |ends_ns, packets| Some(Foreseen { ends_ns, packets });
        let far = end(NOW_NS + 8 * 300_000, 64);
        let near = end(NOW_NS + 2 * LATENCY_NS, 64);
        assert_eq!(pause(&idler, many, far), Pause::Nap(300_000));
        for short in [
            end(NOW_NS + 300_000, 64),
            end(NOW_NS - 300_000, 64),
            end(NOW_NS + 8 * 300_000, 63),
            None,
        ] {
            assert_eq!(pause(&idler, many, short), Pause::Nap(LATENCY_NS));
        }
        assert_eq!(
            pause(&idler, many, Some(Foreseen::NEVER)),
            Pause::Nap(LONGEST_NAP_NS)
        );
        assert_eq!(pause(&idler, many, near), Pause::Spin);
        idler.worked(NOW_NS - SPIN_NS);
        assert_eq!(
            pause(&idler, many, near),
            Pause::Wait(LONGEST_SLEEP_NS),
            "the train is over"
        );
        let full = |room_ns| Flow { room_ns, ..many };
        assert_eq!(pause(&idler, full(30_000), far), Pause::Nap(30_000));
        assert_eq!(pause(&idler, full(SHORTEST_NAP_NS - 1), far), Pause::Spin);
        let blind = adaptive(false);
        assert_eq!(pause(&blind, many, near), Pause::Spin);
        assert_eq!(pause(&blind, many, None), Pause::Nap(LATENCY_NS));
    }

    #[test]
    fn few_packets_or_none_then_the_next_one_wakes_it() {
        let idler = adaptive(true);
        for quiet in [flow(19, 0), flow(100, LATENCY_NS), flow(0, NOW_NS)] {
            let pause = idler.pause(NOW_NS, u64::MAX, quiet, || None);
            assert_eq!(pause, Pause::Wait(LONGEST_SLEEP_NS));
        }
        let blind = adaptive(false);
        let nap = |ago_ns| blind.pause(NOW_NS, u64::MAX, flow(1, ago_ns), || None);
        assert_eq!(nap(0), Pause::Nap(LATENCY_NS));
        assert_eq!(nap(4_000_000), Pause::Nap(500_000));
        assert_eq!(nap(NOW_NS), Pause::Nap(LONGEST_NAP_NS));
    }

    #[test]
    fn work_is_due_then_it_sleeps_until_a_wake_up_before() {
        let idler = adaptive(true);
        let pause = |due_ns| idler.pause(NOW_NS, due_ns, flow(100, NOW_NS), || None);
        assert_eq!(pause(NOW_NS - 1), Pause::Spin);
        assert_eq!(pause(NOW_NS + 2 * WAKE_NS), Pause::Spin);
        assert_eq!(pause(NOW_NS + 5 * WAKE_NS), Pause::Wait(4 * WAKE_NS));
        let busy = Idler::new(Idle::Busy, Rest::default(), true);
        assert_eq!(
            busy.pause(NOW_NS, u64::MAX, flow(100, NOW_NS), || None),
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
            idler.pause(NOW_NS, u64::MAX, flow(100, 0), || None)
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

    /// Takes packets that come at these times as a poller does; `done(count, now)` after each look that found some,
    /// `ends(count, now)` foresees an end.
    fn poll(
        packets: &[u64],
        ring: u64,
        sees_packets: bool,
        mut done: impl FnMut(usize, u64),
        ends: impl Fn(usize, u64) -> Option<Foreseen>,
    ) {
        let mut idler = adaptive(sees_packets);
        let mut port = Arrivals::new(u32::try_from(ring).ok());
        let (mut now_ns, mut taken) = (NOW_NS, 0);
        while taken < packets.len() {
            let come = packets[taken..].iter();
            let waiting = come.take_while(|at_ns| **at_ns <= now_ns).count();
            assert!(waiting as u64 <= ring, "{waiting} packets");
            if waiting > 0 {
                taken += waiting;
                done(taken, now_ns);
                idler.worked(now_ns);
                now_ns += 300;
                continue;
            }
            port.look(taken as u64, now_ns);
            let flow = Flow::of([&port].into_iter());
            now_ns = match idler.pause(now_ns, u64::MAX, flow, || ends(taken, now_ns)) {
                Pause::Spin => now_ns + 300,
                Pause::Nap(ns) => now_ns + ns,
                Pause::Wait(ns) => (now_ns + ns).min(packets[taken].max(now_ns)),
            };
        }
    }

    proptest! {
        /// Whatever comes, a ring does not overflow, and no packet waits longer than the poller may sleep.
        #[test]
        fn any_trains_then_no_ring_overflows_and_no_packet_waits(
            trains in trains(),
            sees_packets: bool,
            ring in prop_oneof![Just(2048u64), Just(4096), Just(16_384)],
            ends_in_ns in prop::option::of(0u64..30_000_000),
        ) {
            let mut at_ns = NOW_NS;
            let packets: Vec<_> = trains.iter().flat_map(|(pause_ns, count)| {
                let first_ns = at_ns + pause_ns;
                at_ns = first_ns + count * 700;
                (0..*count).map(move |number| first_ns + number * 700)
            }).collect();
            let longest_ns = match ends_in_ns {
                None if sees_packets => LATENCY_NS,
                _ => LONGEST_NAP_NS,
            };
            let mut taken = 0;
            let done = |count, now_ns| {
                assert!(now_ns - packets[taken] <= longest_ns);
                taken = count;
            };
            let ends = |_, now_ns: u64| Some(Foreseen {
                ends_ns: now_ns + ends_in_ns?,
                packets: u64::MAX,
            });
            poll(&packets, ring, sees_packets, done, ends);
        }

        /// The last packet of a frame never waits longer than the bound, however steadily frames come.
        #[test]
        fn frames_of_any_pace_then_their_last_packets_wait_for_at_most_the_bound(
            step_ns in 1_500u64..80_000,
            group in 1u64..17,
            groups in 20u64..200,
            gap_ns in 0u64..20_000_000,
        ) {
            let frame = group * groups;
            let packets: Vec<_> = (0..4).flat_map(|number| {
                let begin_ns = NOW_NS + number * (frame * step_ns + gap_ns);
                (0..frame).map(move |at| begin_ns + at / group * group * step_ns + at % group * 700)
            }).collect();
            let began = |count: usize| count as u64 / frame * frame;
            let last_taken = std::cell::Cell::new((0, 0));
            let first_taken = std::cell::Cell::new((u64::MAX, 0));
            let done = |count: usize, now_ns| {
                let before = last_taken.get().0;
                last_taken.set((count, now_ns));
                if first_taken.get().0 != began(count) {
                    first_taken.set((began(count), now_ns));
                }
                let whole = began(count);
                if whole > before as u64 && before > 0 && whole > 0 {
                    let last_ns = packets[usize::try_from(whole).unwrap() - 1];
                    assert!(now_ns - last_ns <= LATENCY_NS, "{} ns", now_ns - last_ns);
                }
            };
            // As a session foresees it.
            let ends = |count: usize, now_ns: u64| {
                let so_far = count as u64 - began(count);
                if so_far == 0 {
                    let ends_ns = now_ns + frame * step_ns;
                    return Some(Foreseen { ends_ns, packets: frame });
                }
                let took_ns = last_taken.get().1 - first_taken.get().1;
                (took_ns > 0).then(|| Foreseen {
                    ends_ns: last_taken.get().1 + took_ns * (frame - so_far) / so_far,
                    packets: frame - so_far,
                })
            };
            poll(&packets, 16_384, true, done, ends);
        }

        /// No sleep is longer than its bounds: of the unit, the ring's room, and the time until work is due.
        #[test]
        fn any_flow_then_no_nap_beyond_its_bounds(
            (per_second, ago_ns, room_ns) in (0u64.., 0u64..NOW_NS, 0u64..),
            due_ns: u64,
            worked_ago_ns in 0u64..NOW_NS,
            sees_packets: bool,
            end in prop::option::of((0u64.., 0u64..200)),
        ) {
            let mut idler = adaptive(sees_packets);
            idler.worked(NOW_NS - worked_ago_ns);
            let flow = Flow { last_ns: NOW_NS - ago_ns, per_second, room_ns };
            let remaining_ns = due_ns.saturating_sub(NOW_NS);
            let end = end.map(|(ends_ns, packets)| Foreseen { ends_ns, packets });
            match idler.pause(NOW_NS, due_ns, flow, || end) {
                Pause::Spin => {}
                Pause::Wait(ns) => prop_assert!(sees_packets && ns <= remaining_ns - WAKE_NS),
                Pause::Nap(ns) => {
                    prop_assert!(ns <= remaining_ns - WAKE_NS);
                    let long = end.filter(|it| it.packets >= PACKETS_AT_ONCE);
                    let left_ns = long.map_or(0, |it| it.ends_ns.saturating_sub(NOW_NS));
                    let silence_ns = if sees_packets { 0 } else { ago_ns };
                    let part_ns = (left_ns / PART_OF_UNIT).max(silence_ns / PART_OF_SILENCE);
                    prop_assert!(ns <= part_ns.clamp(LATENCY_NS, LONGEST_NAP_NS));
                    let is_blind = !sees_packets && ns >= LATENCY_NS;
                    prop_assert!(ns <= room_ns || is_blind);
                }
            }
        }
    }
}
