//! The end of DPDK in this process.

use std::sync::Arc;

use crate::packets::mempool;
use crate::{Eal, Error, log};

impl Eal {
    /// Frees DPDK's memory and threads. It does not close ports: close each port first.
    ///
    /// # Errors
    /// [`Error::InUse`] while a port, a pool, an [`Mbuf`](crate::Mbuf) or a registered thread
    /// exists; the call then does nothing, and the end of the process cleans up. [`Error::Dpdk`] if
    /// DPDK fails.
    pub fn cleanup(mut self) -> Result<(), Error> {
        mempool::sweep();
        if Arc::get_mut(&mut self.alive).is_none() {
            return Err(Error::InUse {
                users: Arc::strong_count(&self.alive) - 1,
            });
        }
        // SAFETY: initialised, and nothing that uses DPDK's memory is left.
        let (code, log) = log::captured(|| unsafe { dpdk_sys::rte_eal_cleanup() });
        match code {
            0 => Ok(()),
            code => Err(Error::dpdk("clean up", "EAL", code, log)),
        }
    }
}
