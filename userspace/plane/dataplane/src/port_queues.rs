//! One poller's queues of a port.

use onair_dpdk::{RxQueue, TxQueue};

use crate::config::PortInfo;

/// One poller's queues of a port, and what the port is now.
#[derive(Debug)]
pub struct PortQueues {
    pub(crate) info: PortInfo,
    /// A device with fewer queues than the port has pollers has none for the last of them.
    pub(crate) queues: Option<(RxQueue, TxQueue)>,
}
