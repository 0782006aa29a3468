//! How long a port's receive rings can buffer its traffic.

use std::time::{Duration, Instant};

use onair_dpdk::{RING_MS, RxRing};

/// The shortest time over which the rate is measured: a look comes each second, some ms early or late.
const SPAN: Duration = Duration::from_millis(900);

/// The rings of one port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rings {
    pub(super) each: RxRing,
    /// Receive queues with such a ring; at least 1.
    pub(super) queues: u16,
}

/// The packets of one port, from look to look.
#[derive(Debug, Default)]
pub(super) struct RingWatch {
    since: Option<(Instant, u64)>,
    /// Packets a second.
    rate: u64,
    /// When the rings were last too small, and the highest rate since they are.
    short: Option<(Instant, u64)>,
}

impl RingWatch {
    /// Time that the rings buffer at the present rate, in ms; `None` without packets.
    pub(super) fn keeps_ms(&self, rings: Rings) -> Option<u64> {
        rings.each.holds_ms(rings.queues, self.rate)
    }

    /// Reports rings that were too small within the last `calm` and could be larger. `arrived`: packets at the port until
    /// `now`, also those that it missed.
    pub(super) fn look(
        &mut self,
        name: &str,
        rings: Rings,
        arrived: u64,
        now: Instant,
        calm: Duration,
    ) -> Option<String> {
        let (since, before) = *self.since.get_or_insert((now, arrived));
        let passed = now.saturating_duration_since(since);
        if passed >= SPAN {
            let packets = u128::from(arrived.saturating_sub(before));
            let rate = packets * 1000 / passed.as_millis();
            self.rate = u64::try_from(rate).unwrap_or(u64::MAX);
            self.since = Some((now, arrived));
        }
        let Rings { each, queues } = rings;
        self.short
            .take_if(|(at, _)| now.saturating_duration_since(*at) >= calm);
        if each.packets < each.most && self.keeps_ms(rings).is_some_and(|ms| ms < RING_MS) {
            let highest = self.short.map_or(0, |(_, highest)| highest);
            self.short = Some((now, highest.max(self.rate)));
        }
        let (_, rate) = self.short?;
        let keeps = each.holds_ms(queues, rate)?;
        let needed = (rate * RING_MS).div_ceil(1000 * u64::from(queues));
        let enough = needed.next_power_of_two().min(each.most.into());
        Some(format!(
            "the receive rings of port {name} keep {keeps} ms of the {rate} packets a second that come, less than \
             {RING_MS} ms: if its poller is late for longer, packets are lost; set port.{name}.rx_ring = {enough}, now \
             {}",
            each.packets
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALM: Duration = Duration::from_secs(60);

    fn rings(packets: u32, most: u32, queues: u16) -> Rings {
        Rings {
            each: RxRing { packets, most },
            queues,
        }
    }

    /// The report after each of these seconds, with so many packets in it.
    fn told(rings: Rings, seconds: &[u64]) -> Vec<Option<String>> {
        let (start, mut watch, mut arrived) = (Instant::now(), RingWatch::default(), 7);
        assert_eq!(watch.look("a", rings, arrived, start, CALM), None);
        let look = |(second, packets)| {
            arrived += packets;
            watch.look(
                "a",
                rings,
                arrived,
                start + Duration::from_secs(second),
                CALM,
            )
        };
        (1..).zip(seconds.iter().copied()).map(look).collect()
    }

    #[test]
    fn ring_under_20_ms_then_told_with_the_key_for_a_minute() {
        // 720p60, and 1080p60, with 1200 bytes of video in a packet.
        let (enough, too_much) = (115_200, 259_200);
        let mut seconds = vec![enough, too_much, enough];
        seconds.resize(70, 0);
        let told = told(rings(4096, 32_768, 1), &seconds);
        assert_eq!(told[0], None);
        let expected = "the receive rings of port a keep 15 ms of the 259200 packets a second that come, less than 20 \
                        ms: if its poller is late for longer, packets are lost; set port.a.rx_ring = 8192, now 4096";
        assert_eq!(told[1].as_deref(), Some(expected));
        assert_eq!(told[60], told[1]);
        assert_eq!(told[61], None);
    }

    #[test]
    fn rings_of_several_queues_keep_more_and_the_largest_is_fine() {
        assert_eq!(told(rings(4096, 32_768, 2), &[259_200]), [None]);
        assert_eq!(told(rings(2048, 2048, 1), &[259_200]), [None]);
        let all = told(rings(8192, 16_384, 1), &[2_000_000]);
        assert!(
            all[0]
                .as_ref()
                .unwrap()
                .contains("rx_ring = 16384, now 8192")
        );
    }

    #[test]
    fn looks_in_quick_succession_then_the_rate_is_of_a_whole_second() {
        let (start, mut watch) = (Instant::now(), RingWatch::default());
        let rings = rings(2048, 2048, 1);
        for ms in (0..1000).step_by(10) {
            let now = start + Duration::from_millis(ms);
            assert_eq!(watch.look("a", rings, ms * 100, now, CALM), None);
        }
        assert_eq!(watch.keeps_ms(rings), Some(20));
    }
}
