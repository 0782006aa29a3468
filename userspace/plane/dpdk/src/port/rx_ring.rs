//! How many packets the receive ring of a queue holds, and for how long.

use crate::packets::room::{Driver, Room};

/// How long a late poller loses nothing, in ms.
pub const RING_MS: u64 = 20;
/// Bytes of video a second of two sessions of 1080p60, 4:2:2 at 10 bit.
const CARRIED: u64 = 2 * 60 * 1920 * 1080 * 5 / 2;
/// Bytes of video in a packet: a quarter of a line of 1920. Most senders put some more into it.
const PAYLOAD: u64 = 1200;
/// In a datagram of the extended size (ST 2110-10: 8960 bytes), less its headers.
const JUMBO_PAYLOAD: u64 = 8900;
/// Buffers that DPDK's driver of AF_XDP gives to the kernel for each queue
/// (`XSK_RING_CONS__DEFAULT_NUM_DESCS`). It cannot give more, so a larger ring would hold no more.
const XDP_PACKETS: u16 = 2048;
/// Packets for which the pool of a queue has buffers by default, and most NICs have descriptors.
const POOL_PACKETS: u16 = 4096;
const JUMBO_POOL_PACKETS: u16 = 2048;

/// The fewest packets that a ring can be given.
pub const LEAST_RX_RING: u16 = 64;
/// The most.
pub const MOST_RX_RING: u16 = 32_768;

/// The receive ring of each queue of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RxRing {
    /// Packets that it holds.
    pub packets: u32,
    /// The most that this device's ring can be given.
    pub most: u32,
}

impl RxRing {
    /// The time in which the rings of `queues` queues are full if no poller empties them, in ms: flows are
    /// spread evenly. `None` if nothing comes.
    #[must_use]
    pub fn holds_ms(self, queues: u16, packets_per_second: u64) -> Option<u64> {
        let packets = u64::from(self.packets) * u64::from(queues);
        (packets * 1000).checked_div(packets_per_second)
    }
}

/// Packets in [`RING_MS`] of a stream of `bytes_per_second`, with `payload` bytes each.
const fn packets_kept(bytes_per_second: u64, payload: u64) -> u64 {
    (bytes_per_second * RING_MS).div_ceil(1000 * payload)
}

/// Packets for which a ring is made: those of `wanted`, else of two sessions of 1080p60 as far as the driver and
/// its pool have room. A power of two, as some drivers need.
pub(crate) fn packets(driver: Driver, room: Room, wanted: Option<u16>) -> u16 {
    let (payload, in_pool) = if room.is_jumbo() {
        (JUMBO_PAYLOAD, JUMBO_POOL_PACKETS)
    } else {
        (PAYLOAD, POOL_PACKETS)
    };
    let needed = packets_kept(CARRIED, payload).next_power_of_two();
    let needed = u16::try_from(needed).map_or(MOST_RX_RING, |it| it.min(MOST_RX_RING));
    let wanted = wanted.map(|it| it.clamp(LEAST_RX_RING, MOST_RX_RING).next_power_of_two());
    match driver {
        Driver::AfXdp => XDP_PACKETS,
        Driver::AfPacket => wanted.unwrap_or(needed),
        Driver::Other => wanted.unwrap_or(needed.min(in_pool)),
    }
}

/// The most buffers of a pool that the driver keeps, of those that are copied or shared with the kernel.
pub(crate) fn held_by_driver(driver: Driver, tx_descriptors: u16) -> Option<u32> {
    match driver {
        Driver::AfXdp => Some(u32::from(XDP_PACKETS) + u32::from(tx_descriptors)),
        Driver::AfPacket => Some(0),
        Driver::Other => None,
    }
}

/// Buffers that a pool has beyond the usual ones for a ring of so many packets. The ring of AF_PACKET is the
/// kernel's memory.
pub(crate) fn more_buffers(driver: Driver, room: Room, packets: u16) -> u32 {
    match driver {
        Driver::AfXdp | Driver::AfPacket => 0,
        Driver::Other => packets
            .saturating_sub(self::packets(driver, room, None))
            .into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ETHERNET_MTU, PortConfig};

    fn of(driver: Driver, mtu: u16, wanted: Option<u16>) -> u16 {
        packets(driver, Room::new(driver, mtu), wanted)
    }

    #[test]
    fn ring_holds_20_ms_of_two_1080p60_sessions_if_the_driver_can() {
        // 1080 lines of four packets, 60 times a second, twice.
        let rate = 2 * 60 * 1080 * 4;
        assert_eq!(packets_kept(CARRIED, PAYLOAD) * 1000, rate * RING_MS);
        let holds = |packets: u16, queues| {
            let packets = packets.into();
            let ring = RxRing {
                packets,
                most: packets,
            };
            ring.holds_ms(queues, rate).unwrap()
        };
        let packet = of(Driver::AfPacket, ETHERNET_MTU, None);
        assert_eq!((packet, holds(packet, 1)), (16_384, 31));
        // These do not, and `onairctl port list` shows it.
        let pci = of(Driver::Other, ETHERNET_MTU, None);
        assert_eq!((pci, holds(pci, 1), holds(pci, 2)), (4096, 7, 15));
        let xdp = of(Driver::AfXdp, ETHERNET_MTU, None);
        assert_eq!((xdp, holds(xdp, 1)), (2048, 3));
        let none = RxRing {
            packets: 1,
            most: 1,
        };
        assert_eq!(none.holds_ms(1, 0), None);
    }

    #[test]
    fn ring_of_jumbo_frames_holds_the_same_time_in_fewer_packets() {
        assert!(packets_kept(CARRIED, JUMBO_PAYLOAD) <= 2048);
        assert_eq!(of(Driver::AfPacket, 9000, None), 2048);
        assert_eq!(of(Driver::Other, 9000, None), 2048);
    }

    #[test]
    fn pool_of_one_queue_has_what_the_driver_keeps_and_bursts() {
        let mbufs = |driver, queues| {
            let config = PortConfig {
                queues,
                ..PortConfig::new("a", "ring:a:a")
            };
            let (sized, _) = config.sized(driver, Room::new(driver, ETHERNET_MTU));
            sized.mbufs
        };
        assert_eq!(mbufs(Driver::AfPacket, 1), 1024);
        assert_eq!(mbufs(Driver::AfXdp, 1), 2 * 2048 + 1024);
        assert_eq!(mbufs(Driver::Other, 1), 8192);
        // Another poller may keep 4096 that were handed over.
        assert_eq!(mbufs(Driver::AfPacket, 2), 8192);
        assert_eq!(mbufs(Driver::AfXdp, 2), 8192);
    }

    #[test]
    fn ring_wanted_is_a_power_of_two_in_the_limits_with_buffers() {
        for (wanted, expected) in [(0, 64), (65, 128), (8192, 8192), (u16::MAX, 32_768)] {
            assert_eq!(of(Driver::AfPacket, ETHERNET_MTU, Some(wanted)), expected);
            assert_eq!(of(Driver::Other, ETHERNET_MTU, Some(wanted)), expected);
            assert_eq!(of(Driver::AfXdp, ETHERNET_MTU, Some(wanted)), 2048);
        }
        let room = Room::new(Driver::Other, ETHERNET_MTU);
        assert_eq!(more_buffers(Driver::Other, room, 16_384), 12_288);
        assert_eq!(more_buffers(Driver::Other, room, 512), 0);
        assert_eq!(more_buffers(Driver::AfPacket, room, 32_768), 0);
    }
}
