//! How fast packets come to a port: learned from what its poller finds, look by look.

use crate::flow::packet::RX_BURST;

/// Shortest time over which a rate is measured: that of several groups in which a sender sends.
const WINDOW_NS: u64 = 400_000;
/// Packets for which a poller sleeps at most: they fit one burst, also if they come a third faster than before.
const PACKETS_A_NAP: u64 = RX_BURST as u64 * 3 / 4;
/// A slower rate counts for so little of the learned one: a pause is not the end of a stream.
const SLOWER_COUNTS: u64 = 16;

/// What is known of the packets of one port.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrivals {
    /// Packets that may come while the poller sleeps.
    most: u64,
    /// Packets of the port at the last look …
    seen: u64,
    /// … at which there were new ones.
    last_ns: u64,
    /// Packets at the begin of the window.
    counted: u64,
    window_ns: u64,
    per_second: u64,
}

impl Arrivals {
    /// Of a port with so many packets in each receive ring; `None`: its sender waits for room.
    pub(crate) fn new(ring: Option<u32>) -> Self {
        Self {
            most: PACKETS_A_NAP.min(ring.map_or(u64::MAX, |it| u64::from(it) / 2)),
            seen: 0,
            last_ns: 0,
            counted: 0,
            window_ns: 0,
            per_second: 0,
        }
    }

    /// The poller has looked at `now_ns`: the port has had `packets` since it was opened.
    pub(crate) fn look(&mut self, packets: u64, now_ns: u64) {
        if packets != self.seen {
            (self.seen, self.last_ns) = (packets, now_ns);
        }
        let (came, elapsed_ns) = (
            packets - self.counted,
            now_ns.saturating_sub(self.window_ns),
        );
        if elapsed_ns < WINDOW_NS {
            return;
        }
        (self.counted, self.window_ns) = (packets, now_ns);
        let rate = came.saturating_mul(1_000_000_000) / elapsed_ns;
        let slower = self.per_second.saturating_sub(rate);
        self.per_second = rate.max(self.per_second - slower.div_ceil(SLOWER_COUNTS));
    }

    /// When the last packet was found.
    pub(crate) const fn last_ns(&self) -> u64 {
        self.last_ns
    }

    /// The learned rate: packets a second.
    pub(crate) const fn per_second(&self) -> u64 {
        self.per_second
    }

    /// For how long the poller may not look: half of a ring has room for what comes.
    pub(crate) fn room_ns(&self) -> u64 {
        let whole = self.most.saturating_mul(1_000_000_000);
        whole.checked_div(self.per_second).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn steady_rate_is_learned_at_once_and_forgotten_slowly() {
        let mut port = Arrivals::new(Some(2048));
        for look in 1..=100 {
            port.look(look * 10, look * 100_000);
        }
        assert_eq!((port.per_second(), port.room_ns()), (100_000, 240_000));
        assert_eq!(port.last_ns(), 10_000_000);
        port.look(1000, 10_399_999);
        assert_eq!(port.per_second(), 100_000, "a pause between two groups");
        port.look(1000, 30_000_000);
        assert_eq!((port.per_second, port.last_ns()), (93_750, 10_000_000));
        for look in 0..1000 {
            port.look(1000, 31_000_000 + look * WINDOW_NS);
        }
        assert_eq!((port.per_second, port.room_ns()), (0, u64::MAX));
    }

    proptest! {
        /// What came in a window fits half of the ring, if as much comes again.
        #[test]
        fn room_is_for_half_of_the_ring_at_the_rate_of_each_window(
            ring in prop::option::of(1u32..40_000),
            looks in prop::collection::vec((0u64..=u64::from(u32::MAX), 1u64..1 << 40), 1..50),
        ) {
            let mut port = Arrivals::new(ring);
            let (mut packets, mut now_ns) = (0u64, 0u64);
            for (came, after_ns) in looks {
                packets += came;
                now_ns += after_ns + WINDOW_NS;
                port.look(packets, now_ns);
                let rate = u128::from(came) * 1_000_000_000 / u128::from(after_ns + WINDOW_NS);
                let next = rate * u128::from(port.room_ns().min(1 << 40)) / 1_000_000_000;
                let half = ring.map_or(u128::MAX, |it| u128::from(it) / 2);
                prop_assert!(next <= half.min(u128::from(PACKETS_A_NAP)));
            }
        }
    }
}
