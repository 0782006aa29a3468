//! The device of a port, and the state of its link.

use serde::{Deserialize, Serialize};

use crate::RxRing;

/// The state of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkStatus {
    /// It carries packets.
    pub is_up: bool,
    /// Speed in Mbit/s, if the driver knows it.
    pub mbps: Option<u32>,
}

/// The event that wakes a poller which sleeps until packets arrive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Wake {
    /// A socket, of AF_XDP or AF_PACKET.
    Socket,
    /// The device's interrupt.
    Interrupt,
    /// Nothing but time: the driver has neither.
    #[default]
    Timer,
}

/// Which packets to groups a device lets through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MulticastFilter {
    /// All packets: it is promiscuous.
    #[default]
    Promiscuous,
    /// Packets to all groups.
    AllMulticast,
    /// Packets to the groups of [`crate::Port::set_groups`].
    Groups,
}

/// Where the XDP program of an AF_XDP port may run: `port.xdp` in the daemon's configuration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum XdpChoice {
    /// in the network driver; if that refuses, in the kernel's stack, which costs CPU time.
    #[default]
    Auto,
    /// in the network driver, or the daemon does not start.
    Native,
    /// in the kernel's stack.
    Generic,
}

/// How an AF_XDP port is attached to its interface (`Documentation/networking/af_xdp.rst`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct XdpMode {
    /// The network driver runs the XDP program (`XDP_FLAGS_DRV_MODE`); if not, the kernel's stack
    /// does, for drivers without XDP (`XDP_FLAGS_SKB_MODE`).
    pub native: bool,
    /// The device writes into the port's memory; if not, the kernel copies each packet.
    pub zero_copy: bool,
}

/// The driver's report about its device (`rte_eth_dev_info`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hardware {
    /// The event that wakes a sleeping poller.
    pub wake: Wake,
    /// How an AF_XDP port is attached; `None` for other ports.
    pub xdp: Option<XdpMode>,
    /// Which packets to groups it lets through.
    pub multicast: MulticastFilter,
    /// NUMA node, `None` if the device has none.
    pub numa_node: Option<u32>,
    /// The receive ring of each queue; `None` of a wire in this process, whose sender waits for room.
    pub rx_ring: Option<RxRing>,
    /// Bytes of its packet buffers, and on AF_PACKET of its sockets' rings, which DPDK's driver makes as long for
    /// sending as for receiving.
    pub memory_bytes: u64,
    /// Most receive queues.
    pub max_rx_queues: u16,
    /// Most transmit queues.
    pub max_tx_queues: u16,
    /// Offloads that the driver offers, such as `rx VLAN_STRIP`. OnAir uses none.
    pub offloads: Vec<String>,
}
