//! The AF_PACKET sockets behind a port. The driver does not expose them, and does not count what the
//! kernel drops because their ring is full.

use std::{
    os::fd::RawFd,
    sync::atomic::{AtomicU64, Ordering},
};

use crate::kernel::descriptor::{Descriptor, Kind};

/// The sockets that the driver opened for one port.
#[derive(Debug, Default)]
pub(crate) struct PacketSockets {
    sockets: Vec<RawFd>,
    /// The kernel sets its own count to zero each time it is read.
    dropped: AtomicU64,
}

impl PacketSockets {
    /// Those opened since `before` ([`Descriptor::all`]). Call it while no other port is being opened or
    /// closed.
    pub(crate) fn opened_since(before: &[Descriptor]) -> Self {
        let mut new = Descriptor::all();
        new.retain(|it| !before.contains(it));
        let is_packet = |it: &&Descriptor| matches!(it.kind(), Kind::PacketSocket { .. });
        Self {
            sockets: new.iter().filter(is_packet).map(Descriptor::fd).collect(),
            dropped: AtomicU64::new(0),
        }
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
