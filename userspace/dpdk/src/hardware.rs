//! What a port's device is, and the state of its link.

/// The state of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkStatus {
    /// It carries packets.
    pub is_up: bool,
    /// Speed in Mbit/s, if the driver knows it.
    pub mbps: Option<u32>,
}

/// What wakes a poller that sleeps until packets arrive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Wake {
    /// An AF_XDP socket.
    Socket,
    /// The device's interrupt.
    Interrupt,
    /// Nothing but time: the driver has neither.
    #[default]
    Timer,
}

/// What the driver reports about its device (`rte_eth_dev_info`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hardware {
    /// What wakes a sleeping poller.
    pub wake: Wake,
    /// NUMA node, `None` if the device has none.
    pub numa_node: Option<u32>,
    /// Most receive queues.
    pub max_rx_queues: u16,
    /// Most transmit queues.
    pub max_tx_queues: u16,
    /// Offloads that the driver offers, such as `rx VLAN_STRIP`. OnAir uses none.
    pub offloads: Vec<String>,
}
