//! Health of the ports.

use serde::{Deserialize, Serialize};

use crate::text::texts;

/// A port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PortHealth {
    /// Its name in the configuration.
    pub name: String,
    /// DPDK device string.
    pub device: String,
    /// Driver.
    #[cfg_attr(feature = "openapi", schema(examples("af_xdp")))]
    pub backend: String,
    /// IPv4 address and prefix length; empty without one.
    #[cfg_attr(feature = "openapi", schema(examples("10.77.0.1/24")))]
    pub address: String,
    /// IPv6 address and prefix length; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(examples("fd77::1/64")))]
    pub ipv6: Option<String>,
    /// Ethernet address.
    #[cfg_attr(feature = "openapi", schema(examples("02:00:00:00:00:01")))]
    pub mac: String,
    /// Largest IP packet in bytes.
    #[serde(default = "ethernet")]
    pub mtu: u16,
    /// Its VLAN; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vlan: Option<u16>,
    /// The link is up.
    pub link_up: bool,
    /// Speed of the link in Mbit/s, if the driver reports it.
    #[serde(default)]
    pub link_mbps: Option<u32>,
    /// Which packets to multicast groups the device lets through.
    #[serde(default)]
    pub multicast: PortMulticast,
    /// NUMA node of the device, if it has one.
    #[serde(default)]
    pub numa_node: Option<u32>,
    /// How a port on AF_XDP is attached; other ports have none.
    #[serde(default)]
    pub xdp: Option<PortXdp>,
    /// The event that wakes the poller when it sleeps until packets arrive.
    #[serde(default)]
    pub wake: PortWake,
    /// Pairs of a receive and a transmit queue in use.
    #[serde(default = "one")]
    pub queues: u16,
    /// Most pairs of a receive and a transmit queue that the driver offers.
    #[serde(default)]
    pub max_queues: u16,
    /// Packets that the receive ring of each queue holds; absent of a wire in the daemon, whose sender waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rx_ring: Option<u32>,
    /// How long these rings keep what comes, in ms, at the packet rate of the last second and with flows spread
    /// evenly over the queues: a poller that is late for longer loses packets. Absent if nothing comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rx_ring_ms: Option<u64>,
    /// Bytes of packet buffers, and on AF_PACKET of the kernel's rings for both directions.
    #[serde(default)]
    pub memory_bytes: u64,
    /// Offloads that the driver offers, by DPDK's names. OnAir uses none.
    #[serde(default)]
    pub offloads: Vec<String>,
    /// Name of the poller that serves it, the first of several.
    pub poller: String,
    /// Names of the pollers that serve it: the first so many as there are queues have one each.
    #[serde(default)]
    pub pollers: Vec<String>,
    /// How a packet comes to the poller that runs its session.
    #[serde(default)]
    pub steering: PortSteering,
    /// Packets received since the start.
    pub rx_packets: u64,
    /// Packets sent since the start.
    pub tx_packets: u64,
    /// Packets that the driver missed or dropped, or that one poller could not hand to another, since
    /// the start.
    pub rx_missed: u64,
    /// Packets that one poller handed to another since the start.
    #[serde(default)]
    pub rx_handed_over: u64,
    /// Packets received that belong to no session, since the start.
    pub rx_unclaimed: u64,
    /// Packets received with a broken or unusable header below RTP (truncated, fragments, options), since
    /// the start.
    #[serde(default)]
    pub rx_malformed: u64,
    /// Packets received longer than the port's MTU, which cut them, since the start.
    #[serde(default)]
    pub rx_cut: u64,
    /// Packets received without the tag of the port's VLAN, since the start.
    #[serde(default)]
    pub rx_untagged: u64,
    /// Packets received with the tag of another VLAN, or with a tag at a port without a VLAN, since the
    /// start.
    #[serde(default)]
    pub rx_other_vlan: u64,
}

/// The MTU of a daemon that does not tell.
const fn ethernet() -> u16 {
    1500
}

/// The value of a daemon that does not report it.
const fn one() -> u16 {
    1
}

/// Which packets to multicast groups a device lets through. The daemon uses the first that the driver
/// accepts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PortMulticast {
    /// All packets: it is promiscuous.
    #[default]
    Promiscuous,
    /// Packets to all groups.
    AllMulticast,
    /// Packets to the groups of the port's sessions.
    Groups,
}

texts! {
    PortMulticast:
    Promiscuous "promiscuous", AllMulticast "all_multicast", Groups "groups"
}

/// The event that wakes an `adaptive` poller when it sleeps until packets arrive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PortWake {
    /// A socket, of AF_XDP or AF_PACKET.
    Socket,
    /// The device's interrupt.
    Interrupt,
    /// Time only: the driver has neither, so the poller looks each `nap_us`.
    #[default]
    Timer,
}

/// How a packet comes to the poller that runs its session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PortSteering {
    /// One poller has them all.
    #[default]
    None,
    /// The device puts each flow into the queue of its poller. What it cannot is handed over.
    FlowRules,
    /// The device chooses a queue; a poller that receives what is not its own hands it over.
    HandOver,
}

/// How an AF_XDP port is attached to its interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PortXdp {
    /// The network driver runs the XDP program. If not, the kernel's stack does, because the driver
    /// has no XDP: a packet costs more.
    pub native: bool,
    /// The device writes into the port's memory. If not, the kernel copies each packet.
    pub zero_copy: bool,
}
