//! Configuration of a port.

use std::time::Duration;

use crate::device::Device;
use crate::filter::OwnPackets;
use crate::packets::room::{self, Driver, Room};
use crate::port::hardware::XdpChoice;
use crate::port::rx_ring;

/// Configuration of a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortConfig {
    /// The port's name in OnAir's log and errors.
    pub name: String,
    /// `ring:NAME:a` and `ring:NAME:b` are the two ends of a wire in this process; anything else is
    /// passed to DPDK unchanged, for example `net_af_xdp0,iface=va`, `net_af_packet0,iface=va`,
    /// `0000:3b:00.0`.
    pub device: String,
    /// The network namespace (under `/run/netns`) of the device's interface. Only the thread that
    /// opens or closes the port enters it.
    pub netns: Option<String>,
    /// Packets that the receive ring of each queue holds, from [`LEAST_RX_RING`](crate::LEAST_RX_RING) to
    /// [`MOST_RX_RING`](crate::MOST_RX_RING), rounded up to a power of two and down to what the device has. On
    /// AF_XDP without effect. `None`: 20 ms of two sessions of 1080p60, as far as the driver and `mbufs` have room.
    pub rx_ring: Option<u16>,
    /// Places in the transmit ring.
    pub tx_descriptors: u16,
    /// Pairs of a receive and a transmit queue, at least 1. A device that has fewer gets as many as
    /// it has.
    pub queues: u16,
    /// Mbufs in the pool of each pair, for both directions, at most. AF_XDP keeps 2048 of them for receiving,
    /// and as many again can be in transmission; AF_PACKET copies each packet and keeps none. With one pair these two
    /// have no more than they can use. A larger `rx_ring` adds its own.
    pub mbufs: u32,
    /// How long its AF_XDP queue may stay busy: the kernel frees it some time after its socket is
    /// closed, by this process or by the end of a killed daemon.
    pub busy: Duration,
    /// Where the XDP program of an AF_XDP port runs. No other port has one.
    pub xdp: XdpChoice,
    /// The largest IP packet in bytes, from [`LEAST_MTU`](crate::LEAST_MTU) to
    /// [`MOST_MTU`](crate::MOST_MTU): a kernel's interface must have it, any other device gets it.
    /// `None`: what the interface has, else [`ETHERNET_MTU`](crate::ETHERNET_MTU).
    pub mtu: Option<u16>,
    /// Whether the interrupt of a PCI device or of virtio-user is set up, for pollers that sleep. Without effect if
    /// its driver has none.
    pub interrupt: bool,
    /// Another process has the device, too, and leaves it later: the flags of its interface are that one's until
    /// [`Port::take`]. Only for what [`PortConfig::leaves_interface`] allows.
    pub beside: bool,
    /// On AF_XDP: what of the interface's packets is the port's; the kernel gets all others. `None`: all is.
    pub own: Option<OwnPackets>,
}

impl PortConfig {
    /// The largest MTU of an interface under AF_XDP, in bytes: a page, less what DPDK and the kernel
    /// have in it, an Ethernet header and a VLAN tag.
    pub const XDP_MTU: u32 = room::XDP_MTU;

    /// Mbufs and places of a ring for jumbo frames, which are six times as large as others.
    const JUMBO_MBUFS: u32 = 4096;
    const JUMBO_DESCRIPTORS: u16 = 1024;
    /// Mbufs that bursts and the pool's cache hold, if one thread has all queues of the port.
    const BURST_MBUFS: u32 = 1024;

    /// Memory for one pair of queues of a port with this MTU without hugepages, in MiB, of which a PCI device
    /// may have a receive ring of its own size.
    #[must_use]
    pub fn plain_memory_mb(mtu: u16, pci_ring: Option<u16>) -> u32 {
        // Of all drivers' buffers those of AF_PACKET are the largest.
        let room = Room::new(Driver::AfPacket, mtu);
        let config = Self {
            rx_ring: pci_ring,
            ..Self::new("", "")
        };
        let (config, _) = config.sized(Driver::Other, room);
        // And some for the rings of DPDK.
        room.plain_mb(config.mbufs) + 2
    }

    /// With as many mbufs and places as packets of this size need, and the packets of its receive ring.
    pub(crate) fn sized(&self, driver: Driver, room: Room) -> (Self, u16) {
        let mut config = self.clone();
        if room.is_jumbo() {
            config.mbufs = config.mbufs.min(Self::JUMBO_MBUFS);
            config.tx_descriptors = config.tx_descriptors.min(Self::JUMBO_DESCRIPTORS);
        }
        // With more queues another thread may keep thousands that it has yet to take over.
        if config.queues == 1 {
            let needed = rx_ring::held_by_driver(driver, config.tx_descriptors);
            config.mbufs =
                needed.map_or(config.mbufs, |it| config.mbufs.min(it + Self::BURST_MBUFS));
        }
        let packets = rx_ring::packets(driver, room, config.rx_ring);
        config.mbufs += rx_ring::more_buffers(driver, room, packets);
        (config, packets)
    }

    /// One pair of queues: a ring of 2048 places to send, and a pool of 8192 mbufs.
    #[must_use]
    pub fn new(name: impl Into<String>, device: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            device: device.into(),
            netns: None,
            rx_ring: None,
            tx_descriptors: 2048,
            queues: 1,
            mbufs: 8192,
            busy: Duration::from_secs(2),
            xdp: XdpChoice::Auto,
            mtu: None,
            interrupt: false,
            beside: false,
            own: None,
        }
    }

    /// Whether two processes can have the device at once: sockets of AF_PACKET receive the same packets each, and a
    /// wire inside the process is of that process.
    #[must_use]
    pub fn opens_beside(&self) -> bool {
        let device = self.device.parse::<Device>();
        device.is_ok_and(|it| matches!(it, Device::Ring(_)) || it.packet_interface().is_some())
    }

    /// Whether a process leaves the interface as it is to one that takes the port over: the XDP program serves both.
    #[must_use]
    pub fn leaves_interface(&self) -> bool {
        let device = self.device.parse::<Device>();
        self.opens_beside() || device.is_ok_and(|it| it.xdp().is_some())
    }
}
