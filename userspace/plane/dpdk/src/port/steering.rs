//! Rules with which a device puts a flow into one of its receive queues (`rte_flow`, DPDK's
//! Programmer's Guide, Generic flow API).

use std::{
    net::{Ipv4Addr, SocketAddrV4},
    ptr::NonNull,
    sync::Arc,
};

use dpdk_sys::rte_flow;

use crate::port::queue::OpenPort;
use crate::{Error, log};

/// A device's rule for one flow, until it is dropped. The port cannot be closed meanwhile.
#[derive(Debug)]
pub struct FlowRule {
    shared: Arc<OpenPort>,
    raw: NonNull<rte_flow>,
}

// SAFETY: a rule belongs to no thread; its owner alone uses the pointer.
unsafe impl Send for FlowRule {}
// SAFETY: a shared reference does nothing with it.
unsafe impl Sync for FlowRule {}

impl FlowRule {
    /// Puts the datagrams to `destination` into receive queue `queue`. May take milliseconds.
    pub(crate) fn make(
        shared: &Arc<OpenPort>,
        destination: SocketAddrV4,
        queue: u16,
    ) -> Result<Self, Error> {
        let (address, udp) = (destination.ip().to_bits(), destination.port());
        let id = shared.ethdev.id;
        // SAFETY: a started port; the rule is copied.
        let call = || unsafe { dpdk_sys::onair_flow_create(id, address, udp, queue, 0) };
        let (raw, log) = log::captured(call);
        let raw = NonNull::new(raw).ok_or_else(|| {
            let subject = format!(
                "{destination} to queue {queue} of {}",
                shared.ethdev.driver()
            );
            // SAFETY: reads a thread-local of DPDK's.
            let errno = unsafe { dpdk_sys::onair_errno() };
            Error::dpdk("steer", subject, -errno, log)
        })?;
        Ok(Self {
            shared: Arc::clone(shared),
            raw,
        })
    }

    /// Whether the device could make such rules.
    pub(crate) fn is_possible(shared: &OpenPort) -> bool {
        let address = Ipv4Addr::new(192, 0, 2, 1).to_bits();
        // SAFETY: a started port; no rule is made.
        let call = || unsafe {
            dpdk_sys::onair_flow_create(shared.ethdev.id, address, 5004, 0, 1);
            dpdk_sys::onair_errno()
        };
        log::captured(call).0 == 0
    }
}

impl Drop for FlowRule {
    fn drop(&mut self) {
        let id = self.shared.ethdev.id;
        // SAFETY: a rule of this port, which is still started.
        let call = || unsafe { dpdk_sys::onair_flow_destroy(id, self.raw.as_ptr()) };
        let (code, _) = log::captured(call);
        if code != 0 {
            // Its packets go to a queue whose poller hands them over.
            tracing::debug!(target: "dpdk", code, "a flow rule stays");
        }
    }
}
