//! What a port's device is, and the state of its link.

/// The state of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkStatus {
    /// It carries packets.
    pub is_up: bool,
    /// Speed in Mbit/s, if the driver knows it.
    pub mbps: Option<u32>,
}

/// What the driver reports about its device (`rte_eth_dev_info`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hardware {
    /// NUMA node, `None` if the device has none.
    pub numa_node: Option<u32>,
    /// Most receive queues.
    pub max_rx_queues: u16,
    /// Most transmit queues.
    pub max_tx_queues: u16,
    /// Offloads that the driver offers, such as `rx VLAN_STRIP`. OnAir uses none.
    pub offloads: Vec<String>,
}
