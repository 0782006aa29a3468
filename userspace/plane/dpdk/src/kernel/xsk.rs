//! The AF_XDP socket behind a port. The driver does not expose it, but a poller can sleep on it,
//! and it counts what the driver does not.

use std::fs;
use std::os::fd::{BorrowedFd, RawFd};
use std::ptr;

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

    /// Closes the socket with the rings that the driver has mapped, which keep it open. The kernel has freed its queue
    /// soon after that; this waits for most of it, some 15 ms. Program and map stay.
    ///
    /// # Safety
    /// The driver never uses the port again, not even to close it.
    pub(crate) unsafe fn release(self) {
        let sockets = self.all.into_iter();
        let sockets = sockets.filter_map(|found| match found.kind() {
            Kind::XdpSocket { inode } => Some((found, inode)),
            _ => None,
        });
        for (socket, inode) in sockets {
            for (start, length) in mappings(inode) {
                // SAFETY: the caller's promise: nothing reads these pages.
                unsafe { libc::munmap(ptr::with_exposed_provenance_mut(start), length) };
            }
            // SAFETY: the caller's promise.
            unsafe { socket.close_if_same() };
        }
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

/// Descriptors that the driver of a closed port has left open. Dropping it closes it, which waits for the kernel:
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

/// Waits for a grace period of the kernel (RCU), some 10 ms: one frees the queues of sockets that were closed before.
pub fn wait_for_grace_period() {
    // SAFETY: `MEMBARRIER_CMD_GLOBAL` (linux/membarrier.h) takes no pointer. A kernel that has it not does nothing.
    unsafe { libc::syscall(libc::SYS_membarrier, 1, 0, 0) };
}

/// Address and length of what this process has mapped of a socket (proc_pid_maps(5)).
fn mappings(inode: u64) -> Vec<(usize, usize)> {
    let text = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let name = format!("socket:[{inode}]");
    let lines = text.lines().filter(|line| line.ends_with(&name));
    let ranges = lines.filter_map(|line| {
        let (start, end) = line.split_once(' ')?.0.split_once('-')?;
        let of = |text| usize::from_str_radix(text, 16).ok();
        let start = of(start)?;
        Some((start, of(end)? - start))
    });
    ranges.collect()
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
