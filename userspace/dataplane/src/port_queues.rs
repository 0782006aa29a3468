//! One poller's queues of a port.

use onair_dpdk::{RxQueue, TxQueue};

use super::config::PortInfo;

/// One poller's queues of a port, and what the port is now.
#[derive(Debug)]
pub struct PortQueues {
    pub(super) info: PortInfo,
    /// A device with fewer queues than the port has pollers has none for the last of them.
    pub(super) queues: Option<(RxQueue, TxQueue)>,
}
