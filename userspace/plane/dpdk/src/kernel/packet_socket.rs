//! The AF_PACKET sockets behind a port. The driver does not expose them, and does not count packets that the kernel
//! drops because their ring is full.

use std::{
    fs,
    os::fd::{BorrowedFd, RawFd},
    sync::atomic::{AtomicU64, Ordering},
};

use crate::kernel::descriptor::{Descriptor, Kind};

/// The sockets that the driver opened for one port.
#[derive(Debug, Default)]
pub(crate) struct PacketSockets {
    /// In the order in which the driver made them: one for each pair of queues.
    sockets: Vec<RawFd>,
    /// Whether the kernel told that order.
    is_ordered: bool,
    /// The kernel sets its own count to zero each time it is read.
    dropped: AtomicU64,
}

impl PacketSockets {
    /// Those opened since `before` ([`Descriptor::all`]). Call it in the port's network namespace, while no other
    /// port is being opened or closed.
    pub(crate) fn opened_since(before: &[Descriptor]) -> Self {
        let mut new = Descriptor::all();
        new.retain(|it| !before.contains(it));
        let created = in_order_of_creation();
        let place = |it: &Descriptor| match it.kind() {
            Kind::PacketSocket { inode } => {
                let place = created.iter().position(|other| *other == inode);
                Some((place, it.fd()))
            }
            Kind::XdpSocket { .. } | Kind::XdpProgram { .. } | Kind::Map { .. } => None,
        };
        let mut placed: Vec<_> = new.iter().filter_map(place).collect();
        placed.sort_unstable();
        Self {
            is_ordered: placed.iter().all(|(place, _)| place.is_some()),
            sockets: placed.into_iter().map(|(_, fd)| fd).collect(),
            dropped: AtomicU64::new(0),
        }
    }

    /// Whether [`Self::of_queue`] knows the socket of each of so many pairs of queues.
    pub(crate) fn are_of(&self, pairs: u16) -> bool {
        self.is_ordered && self.sockets.len() == usize::from(pairs)
    }

    /// The socket of a pair of queues: readable while packets wait in its receive ring.
    ///
    /// # Safety
    /// The port that opened it is open, and stays so for as long as the result is used.
    pub(crate) unsafe fn of_queue(&self, queue: u16) -> Option<BorrowedFd<'_>> {
        let fd = self.sockets.get(usize::from(queue))?;
        // SAFETY: an open port keeps its sockets open.
        Some(unsafe { BorrowedFd::borrow_raw(*fd) })
    }

    /// Packets dropped since the port was opened, because the ring had no free slot.
    ///
    /// # Safety
    /// The port that opened them is open, and stays so meanwhile.
    pub(crate) unsafe fn dropped(&self) -> u64 {
        // SAFETY: an open port keeps its sockets open.
        let read = |fd: &RawFd| unsafe { take_drops(*fd) };
        let new: u64 = self.sockets.iter().map(read).sum();
        self.dropped.fetch_add(new, Ordering::Relaxed) + new
    }

    /// Counts from now on.
    ///
    /// # Safety
    /// As of [`Self::dropped`].
    pub(crate) unsafe fn forget_drops(&self) {
        // SAFETY: as there.
        let _before = unsafe { self.dropped() };
        self.dropped.store(0, Ordering::Relaxed);
    }
}

/// The inodes of all AF_PACKET sockets of this thread's network namespace. A descriptor's number tells no order:
/// the kernel gives the lowest one that is free.
fn in_order_of_creation() -> Vec<u64> {
    let listed = fs::read_to_string("/proc/thread-self/net/packet").unwrap_or_default();
    let inode = |line: &str| line.split_whitespace().next_back()?.parse().ok();
    // The first line has the names of the columns.
    listed.lines().skip(1).filter_map(inode).collect()
}

/// Packets dropped since the last call (`PACKET_STATISTICS`, packet(7)).
///
/// # Safety
/// `fd` is an AF_PACKET socket with a ring of version 2, as the driver makes it.
unsafe fn take_drops(fd: RawFd) -> u64 {
    let mut stats = libc::tpacket_stats {
        tp_packets: 0,
        tp_drops: 0,
    };
    let mut length = libc::socklen_t::try_from(size_of_val(&stats)).expect("two words");
    // SAFETY: writes at most `length` bytes into `stats`.
    let code = unsafe {
        libc::getsockopt(
            fd,
            libc::SOL_PACKET,
            libc::PACKET_STATISTICS,
            (&raw mut stats).cast(),
            &raw mut length,
        )
    };
    if code == 0 { stats.tp_drops.into() } else { 0 }
}
