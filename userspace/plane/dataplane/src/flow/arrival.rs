//! When packets came that a poller took together.

use onair_net::datagram::Datagram;

/// Packets taken from a port in one burst.
pub(crate) const RX_BURST: usize = 32;

/// Of packets that were taken together: as far as is known, they came evenly during some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// When the poller took them: CLOCK_MONOTONIC, ns.
    pub(crate) now_ns: u64,
    pub(crate) from_ns: u64,
    /// The last of them came then. As `from_ns` if the poller was awake.
    pub(crate) until_ns: u64,
}

impl Arrival {
    /// Of packets that an awake poller took: all came just now.
    pub(crate) const fn at(now_ns: u64) -> Self {
        Self {
            now_ns,
            from_ns: now_ns,
            until_ns: now_ns,
        }
    }

    /// The time of each of `count` packets.
    pub(crate) fn times(self, count: usize) -> impl Iterator<Item = u64> {
        let step_ns = (self.until_ns - self.from_ns) / count.max(1) as u64;
        let before_last = (1..count as u64).map(move |at| self.from_ns + at * step_ns);
        before_last.chain([self.until_ns]).take(count)
    }
}

/// Shares the time of a nap out among the bursts that are taken after it.
#[derive(Debug, Default)]
pub(crate) struct Nap {
    began_ns: u64,
    now_ns: u64,
    /// Where the next burst begins.
    from_ns: u64,
    /// From one packet to the next, as in the nap before.
    step_ns: u64,
    taken: u64,
}

impl Nap {
    /// A turn begins at `now_ns`. `since_ns`: when the poller looked last, if it has slept since and packets did
    /// not wake it.
    pub(crate) fn end(&mut self, since_ns: Option<u64>, now_ns: u64) {
        let began_ns = since_ns.unwrap_or(now_ns).min(now_ns);
        if began_ns < now_ns {
            let length_ns = self.now_ns - self.began_ns;
            if let Some(step_ns) = length_ns.checked_div(self.taken) {
                self.step_ns = step_ns;
            }
            (self.began_ns, self.taken) = (began_ns, 0);
            self.now_ns = now_ns;
        }
        self.from_ns = began_ns;
    }

    /// Packets of another queue follow: they came during the same nap, not after those of the queue before.
    pub(crate) const fn next_queue(&mut self) {
        self.from_ns = self.began_ns;
    }

    /// So many packets are taken at `now_ns`.
    pub(crate) fn burst(&mut self, count: usize, now_ns: u64) -> Arrival {
        if self.now_ns != now_ns {
            return Arrival::at(now_ns);
        }
        self.taken += count as u64;
        let from_ns = self.from_ns;
        let after_ns = match count {
            // The steps of the last nap; without one, the whole nap.
            RX_BURST if self.step_ns > 0 => self.step_ns.saturating_mul(count as u64),
            _ => u64::MAX,
        };
        self.from_ns = from_ns.saturating_add(after_ns).min(now_ns);
        Arrival {
            now_ns,
            from_ns,
            until_ns: self.from_ns,
        }
    }
}

/// A received datagram, and the Ethernet frame that carried it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Packet<'a> {
    pub(crate) datagram: Datagram<'a>,
    pub(crate) frame: &'a [u8],
    /// Its place in the burst.
    pub(crate) at: usize,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn poller_was_awake_then_packets_have_the_time_of_the_look() {
        let mut nap = Nap::default();
        nap.end(None, MS);
        assert_eq!(nap.burst(RX_BURST, MS), Arrival::at(MS));
        assert!(Arrival::at(MS).times(3).eq([MS; 3]));
        assert_eq!(Arrival::at(MS).times(0).count(), 0);
    }

    #[test]
    fn bursts_after_a_nap_then_they_share_its_time() {
        let mut nap = Nap::default();
        for round in 1..5 {
            let (since_ns, now_ns) = (round * 2 * MS, round * 2 * MS + MS);
            nap.end(Some(since_ns), now_ns);
            let bursts = [32, 32, 16].map(|count| nap.burst(count, now_ns));
            let until = bursts.map(|it| it.until_ns - since_ns);
            // Nothing is known of how many come before the second nap.
            let first = if round == 1 { MS } else { MS * 32 / 80 };
            assert_eq!(until, [first, (2 * first).min(MS), MS]);
            assert_eq!(bursts[1].from_ns, bursts[0].until_ns);
            nap.next_queue();
            assert_eq!(nap.burst(0, now_ns).from_ns, since_ns);
            // A turn without a nap before it.
            nap.end(None, now_ns + 300);
            assert_eq!(nap.burst(32, now_ns + 300), Arrival::at(now_ns + 300));
        }
    }

    proptest! {
        #[test]
        fn times_of_any_bursts_then_in_order_within_the_nap(
            naps in prop::collection::vec((0u64..1 << 40, 1u64..1 << 40, prop::collection::vec(0usize..=32, 0..9)), 1..20),
        ) {
            let (mut nap, mut now_ns) = (Nap::default(), 0);
            for (awake_ns, asleep_ns, bursts) in naps {
                let since_ns = now_ns + awake_ns;
                now_ns = since_ns + asleep_ns;
                nap.end(Some(since_ns), now_ns);
                let mut last_ns = since_ns;
                for count in bursts {
                    for at_ns in nap.burst(count, now_ns).times(count) {
                        prop_assert!(last_ns <= at_ns && at_ns <= now_ns);
                        last_ns = at_ns;
                    }
                }
            }
        }
    }
}
