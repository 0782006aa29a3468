//! How large the packets of a port are, and how large their buffers.

/// The least MTU of a port: what each IPv4 host must accept in one piece (RFC 1122 §3.3.2).
pub const LEAST_MTU: u16 = 576;
/// The largest MTU of a port: what switches for media carry, with room for datagrams of the extended
/// size (ST 2110-10: 8960 bytes).
pub const MOST_MTU: u16 = 9216;
/// The MTU of Ethernet without jumbo frames.
pub const ETHERNET_MTU: u16 = 1500;

/// An Ethernet header with a VLAN tag (IEEE 802.1Q).
const HEADER: u32 = 14 + 4;
const PAGE: u32 = 4096;
/// Data room of a buffer for the usual MTU.
const STANDARD: u32 = 2048;
/// Bytes before the data of a buffer in its pool: the pool's own header, `struct rte_mbuf` and the headroom
/// (`RTE_PKTMBUF_HEADROOM`).
const BEFORE: u32 = 64 + 128 + 128;
/// `XDP_PACKET_HEADROOM`: the kernel keeps it free before a packet.
const XDP_HEADROOM: u32 = 256;
/// Data room of the largest buffer that AF_XDP takes. The kernel takes no more than a page with all
/// that is in it, and DPDK makes its number of cache lines odd.
const XDP_LARGE: u32 = PAGE - 64 - BEFORE;
/// Bytes before the packet in a frame of an AF_PACKET socket's ring: a header with the sender's address, aligned,
/// less the Ethernet header (`tpacket_rcv` of `net/packet/af_packet.c`).
const PACKET_BEFORE: u32 = 80 - 14;
/// The part of such a frame that the driver does not count as data (`TPACKET2_HDRLEN` less the
/// address).
const PACKET_HEADER: u32 = 32;

/// The largest MTU under AF_XDP, in bytes.
pub(crate) const XDP_MTU: u32 = XDP_LARGE - XDP_HEADROOM - HEADER;
const XDP_STANDARD_MTU: u32 = STANDARD - XDP_HEADROOM - HEADER;
const PACKET_STANDARD_MTU: u32 = STANDARD - PACKET_BEFORE - HEADER;

/// Kind of driver that receives the packets of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Driver {
    AfXdp,
    AfPacket,
    Other,
}

/// The buffers of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Room {
    /// Bytes of a packet that fit a buffer, its Ethernet header included.
    pub(crate) data: u16,
    /// Bytes of a frame in the ring of an AF_PACKET socket, if it is not DPDK's default.
    pub(crate) ring_frame: Option<u32>,
}

impl Room {
    pub(crate) fn new(driver: Driver, mtu: u16) -> Self {
        let mtu = u32::from(mtu.min(MOST_MTU));
        let (data, ring_frame) = match driver {
            Driver::AfXdp if mtu <= XDP_STANDARD_MTU => (STANDARD, None),
            Driver::AfXdp => (XDP_LARGE, None),
            Driver::AfPacket if mtu <= PACKET_STANDARD_MTU => (STANDARD, None),
            Driver::AfPacket => {
                // The ring is mapped in whole pages, one frame each time.
                let frame = (mtu + HEADER + PACKET_BEFORE).next_multiple_of(PAGE);
                (frame - PACKET_HEADER, Some(frame))
            }
            // Drivers receive into steps of 1024 bytes, of which some need the FCS, too.
            Driver::Other => (
                STANDARD.max((mtu + HEADER + 4).next_multiple_of(1024)),
                None,
            ),
        };
        Self {
            data: u16::try_from(data).expect("at most three pages"),
            ring_frame,
        }
    }

    /// Buffers of a page each for AF_XDP without hugepages: smaller ones take a page, too, and DPDK's driver
    /// gives the kernel only as much memory as they have without the rest of their pages.
    pub(crate) fn of_a_page(self) -> Self {
        let data = self
            .data
            .max(u16::try_from(XDP_LARGE).expect("less than a page"));
        Self { data, ..self }
    }

    /// Whether the packets are so large that fewer places carry as much.
    pub(crate) fn is_jumbo(self) -> bool {
        u32::from(self.data) > XDP_LARGE
    }

    /// Memory of `mbufs` such buffers without hugepages, in MiB.
    pub(crate) fn plain_mb(self, mbufs: u32) -> u32 {
        u32::try_from(self.bytes(mbufs, true) >> 20).unwrap_or(u32::MAX)
    }

    /// Memory of `mbufs` such buffers in bytes: without hugepages (`plain`) none begins in a page that another is in.
    pub(crate) fn bytes(self, mbufs: u32, plain: bool) -> u64 {
        let one = BEFORE + u32::from(self.data);
        let one = if plain {
            one.next_multiple_of(PAGE)
        } else {
            one
        };
        u64::from(mbufs) * u64::from(one)
    }

    /// Memory of so many slots in the ring of an AF_PACKET socket, in bytes.
    pub(crate) fn ring_bytes(self, slots: u32) -> u64 {
        u64::from(slots) * u64::from(self.ring_frame.unwrap_or(STANDARD))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_for_each_mtu_takes_the_packet_and_the_drivers_headroom() {
        for mtu in LEAST_MTU..=MOST_MTU {
            let packet = u32::from(mtu) + HEADER;
            let of = |driver| Room::new(driver, mtu);
            assert!(packet <= of(Driver::Other).data.into());
            if u32::from(mtu) <= XDP_MTU {
                let data = u32::from(of(Driver::AfXdp).data);
                assert!(packet + XDP_HEADROOM <= data && BEFORE + data <= PAGE);
                let of_a_page = of(Driver::AfXdp).of_a_page();
                assert_eq!(
                    (of_a_page.plain_mb(8192), of_a_page.is_jumbo()),
                    (32, false)
                );
                assert!(u32::from(of_a_page.data) + BEFORE > PAGE - 128);
            }
            let ring = of(Driver::AfPacket);
            let frame = ring.ring_frame.unwrap_or(STANDARD);
            assert!(packet + PACKET_BEFORE <= frame);
            assert!(frame - PACKET_HEADER <= ring.data.into());
        }
    }

    #[test]
    fn room_of_the_usual_mtu_is_the_usual_one() {
        for driver in [Driver::AfXdp, Driver::AfPacket, Driver::Other] {
            let room = Room::new(driver, ETHERNET_MTU);
            assert_eq!((room.data, room.ring_frame), (2048, None));
            assert!(!room.is_jumbo() && Room::new(Driver::Other, 9000).is_jumbo());
        }
        assert_eq!(Room::new(Driver::Other, ETHERNET_MTU).plain_mb(8192), 32);
        assert_eq!(Room::new(Driver::AfPacket, 9000).plain_mb(4096), 64);
    }
}
