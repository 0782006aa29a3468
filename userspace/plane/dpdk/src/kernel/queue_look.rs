//! Whether a queue of an interface is free for a socket of AF_XDP: a look that does not take it.
//!
//! The kernel frees a queue some 10 to 30 ms after its socket was closed: two grace periods (RCU) later, and a piece of
//! work. DPDK's driver that tries too early takes the interface's XDP program off when it gives up, and the next try
//! puts it on again: 50 ms on a veth. So a port looks, and tries once.
//!
//! A look asks for zero copy where the interface has none. The kernel refuses that, but a queue in use it refuses first
//! (`xp_assign_dev` in its net/xdp/xsk_buff_pool.c). Where there is zero copy, a look would take the queue: there is
//! none then, nor where the kernel does not tell (before Linux 6.3).

use std::os::fd::AsFd;
use std::ptr;
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};
use rustix::net::sockopt::{
    set_xdp_rx_ring_size, set_xdp_umem_completion_ring_size, set_xdp_umem_fill_ring_size,
    set_xdp_umem_reg,
};
use rustix::net::xdp::{SocketAddrXdp, SocketAddrXdpFlags, XdpUmemReg, XdpUmemRegFlags};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with};
use rustix::param::page_size;

use crate::device::XdpQueue;
use crate::kernel::netlink::{Route, has_zero_copy};

/// Pause between two looks, of 0.1 ms each.
const PAUSE: Duration = Duration::from_millis(1);
/// The smallest that the kernel takes (`XDP_UMEM_MIN_CHUNK_SIZE`).
const CHUNK: u32 = 2048;
/// The smallest ring of power of two that has something in it.
const RING: u32 = 2;

/// Looks at queues of one interface, in the calling thread's network namespace.
#[derive(Debug)]
pub(crate) struct QueueLook {
    interface: u32,
    queues: Vec<u32>,
}

impl QueueLook {
    /// `None`: a look could take a queue, or the interface is gone.
    pub(crate) fn at(queues: impl Iterator<Item = XdpQueue>) -> Option<Self> {
        let queues: Vec<_> = queues.collect();
        let found = Route::open()
            .ok()?
            .find(&queues.first()?.interface)
            .ok()??;
        // A kernel that does not tell may have it.
        if has_zero_copy(found.index).unwrap_or(true) {
            return None;
        }
        Some(Self {
            interface: found.index,
            queues: queues
                .iter()
                .filter_map(|it| it.start.parse().ok())
                .collect(),
        })
    }

    /// Returns when none of the queues is in use, at `deadline` at the latest.
    pub(crate) fn wait_until_free(&self, deadline: Instant) {
        let is_busy = |queue: &u32| matches!(self.try_at(*queue), Err(Errno::BUSY));
        while self.queues.iter().any(is_busy) && Instant::now() < deadline {
            // The kernel has no event for a queue that gets free.
            thread::sleep(PAUSE);
        }
    }

    /// The kernel's answer to a socket that wants the queue with zero copy: always an error.
    fn try_at(&self, queue: u32) -> Result<(), Errno> {
        let socket = socket_with(
            AddressFamily::XDP,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            None,
        )?;
        let memory = Memory::new()?;
        let register = XdpUmemReg {
            addr: memory.0.expose_provenance() as u64,
            len: page_size() as u64,
            chunk_size: CHUNK,
            headroom: 0,
            flags: XdpUmemRegFlags::empty(),
            tx_metadata_len: 0,
        };
        set_xdp_umem_reg(&socket, register)?;
        set_xdp_umem_fill_ring_size(&socket, RING)?;
        set_xdp_umem_completion_ring_size(&socket, RING)?;
        set_xdp_rx_ring_size(&socket, RING)?;
        let flags = SocketAddrXdpFlags::XDP_ZEROCOPY;
        bind(
            socket.as_fd(),
            &SocketAddrXdp::new(flags, self.interface, queue),
        )
    }
}

/// A page for the kernel to pin while the socket is there.
struct Memory(*mut libc::c_void);

impl Memory {
    fn new() -> Result<Self, Errno> {
        let (protection, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
        // SAFETY: a new mapping, anywhere.
        unsafe { mmap_anonymous(ptr::null_mut(), page_size(), protection, flags) }.map(Self)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: the mapping of `new`, to which no reference was made. The kernel has pinned what it still needs.
        let _ = unsafe { munmap(self.0, page_size()) };
    }
}
