//! The AF_XDP socket behind a port. The driver does not expose it, but a poller can sleep on it,
//! and it counts what the driver does not.

use std::os::fd::{BorrowedFd, RawFd};

use crate::kernel::descriptor::{Descriptor, Kind};

/// Descriptors that the driver opened for one port: the socket, unless that failed, and its program
/// with a map.
#[derive(Debug)]
pub(crate) struct Xsk {
    socket: Option<RawFd>,
    all: Vec<Descriptor>,
}

impl Xsk {
    /// Descriptors that the driver opened since `before` ([`Descriptor::all`]). Call it while no
    /// other port is being opened or closed.
    pub(crate) fn opened_since(before: &[Descriptor]) -> Self {
        let all = driver_opened_since(before);
        let is_socket = |found: &&Descriptor| matches!(found.kind(), Kind::XdpSocket { .. });
        let socket = all.iter().find(is_socket).map(Descriptor::fd);
        Self { socket, all }
    }

    /// Descriptors that the driver has left open, also those that it opened to close the port, since
    /// `before_close`. Call it only after `rte_eth_dev_close`, while no other port is being opened or
    /// closed.
    pub(crate) fn forgotten(all: Vec<Self>, before_close: &[Descriptor]) -> Forgotten {
        let mut forgotten: Vec<_> = all.into_iter().flat_map(|xsk| xsk.all).collect();
        forgotten.extend(driver_opened_since(before_close));
        Forgotten(forgotten)
    }

    /// The socket, for sleeping.
    ///
    /// # Safety
    /// The port that opened it stays open for as long as the result is used.
    pub(crate) unsafe fn socket(&self) -> Option<BorrowedFd<'_>> {
        // SAFETY: an open port keeps its socket open.
        self.socket.map(|fd| unsafe { BorrowedFd::borrow_raw(fd) })
    }
}

/// What the driver of a closed port has left open. Dropping it closes it, which waits for the kernel:
/// some 30 ms for a socket.
///
/// The driver of DPDK 22.11.5 to 22.11.11 never closes its socket, so the interface's queue stays
/// busy until the process ends. It also leaves two descriptors of its program and a map of it open.
/// With a fixed driver this does nothing.
#[derive(Debug, Default)]
#[must_use = "the memory that the socket uses must outlive it"]
pub(crate) struct Forgotten(Vec<Descriptor>);

impl Drop for Forgotten {
    fn drop(&mut self) {
        let close = |descriptor: Descriptor| {
            // SAFETY: the driver opened it and will not use it again.
            usize::from(unsafe { descriptor.close_if_same() })
        };
        let closed: usize = self.0.drain(..).map(close).sum();
        if closed > 0 {
            tracing::debug!(target: "dpdk", closed, "descriptors that the driver left open");
        }
    }
}

/// Other code loads BPF programs meanwhile, for example the probe, but none for XDP. A map is the
/// driver's if such a program uses it.
fn driver_opened_since(before: &[Descriptor]) -> Vec<Descriptor> {
    let mut new = Descriptor::all();
    new.retain(|descriptor| !before.contains(descriptor));
    let maps: Vec<u32> = new.iter().flat_map(Descriptor::maps_of_program).collect();
    new.retain(|descriptor| match descriptor.kind() {
        Kind::XdpSocket { .. } | Kind::XdpProgram { .. } => true,
        Kind::Map { id } => maps.contains(&id),
        Kind::PacketSocket { .. } => false,
    });
    new
}
