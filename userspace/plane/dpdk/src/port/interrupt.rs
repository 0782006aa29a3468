//! A driver's interrupt for received packets (`rte_eth_dev_rx_intr_*`, DPDK's Programmer's Guide,
//! Poll Mode Driver): a poller sleeps on it.

use std::os::fd::{BorrowedFd, RawFd};

use crate::log;

/// The interrupt of one of a port's receive queues.
#[derive(Debug)]
pub(crate) struct Interrupt {
    port: u16,
    queue: u16,
    /// An eventfd of the driver's, which lives as long as the port is started.
    fd: RawFd,
}

impl Interrupt {
    /// The interrupt of a queue of a started port that was configured with it; `None` if its driver
    /// has none, or does not pass it on.
    pub(crate) fn of(port: u16, queue: u16) -> Option<Self> {
        // SAFETY: a started port. DPDK checks the queue.
        let fd = || unsafe { dpdk_sys::rte_eth_dev_rx_intr_ctl_q_get_fd(port, queue) };
        let (fd, _) = log::captured(fd);
        let interrupt = Self { port, queue, fd };
        let works = fd >= 0 && interrupt.enable();
        interrupt.disable();
        works.then_some(interrupt)
    }

    /// From now on a packet makes the descriptor readable; one that came before need not. Returns
    /// whether the driver did it.
    pub(crate) fn enable(&self) -> bool {
        // SAFETY: a started port.
        unsafe { dpdk_sys::rte_eth_dev_rx_intr_enable(self.port, self.queue) == 0 }
    }

    /// The opposite of [`Interrupt::enable`]. Without it each packet would interrupt.
    pub(crate) fn disable(&self) {
        // SAFETY: a started port. A driver without the function refuses.
        unsafe { dpdk_sys::rte_eth_dev_rx_intr_disable(self.port, self.queue) };
        if self.fd >= 0 {
            // The read never blocks: DPDK's eventfds do not (EFD_NONBLOCK). Nothing to read is no error.
            // SAFETY: the port is started, so the driver's descriptor is open.
            let _ = rustix::io::read(unsafe { self.fd() }, &mut [0_u8; 8]);
        }
    }

    /// The descriptor, for sleeping.
    ///
    /// # Safety
    /// The port stays started for as long as the result is used.
    pub(crate) unsafe fn fd(&self) -> BorrowedFd<'_> {
        // SAFETY: see above.
        unsafe { BorrowedFd::borrow_raw(self.fd) }
    }
}
