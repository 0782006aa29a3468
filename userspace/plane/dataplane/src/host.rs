//! A port beside the kernel on one interface. Where the kernel has the port's address, it answers ARP for it, and gets
//! the answers: pollers ask the kernel for neighbours, through a thread that may wait (`plane/host_watch.rs`).

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;

use crossbeam_queue::ArrayQueue;

/// Questions that wait. A poller repeats what does not fit.
pub(crate) const QUESTIONS: usize = 64;

/// State that the pollers of a port share with the thread that serves its host traffic.
#[derive(Debug)]
pub(crate) struct HostShare {
    /// Whether the kernel has the port's address of IPv4, and of IPv6.
    has: [AtomicBool; 2],
    /// Neighbours that pollers want to know.
    asked: ArrayQueue<(usize, IpAddr)>,
    thread: OnceLock<Thread>,
}

impl Default for HostShare {
    fn default() -> Self {
        Self {
            has: Default::default(),
            asked: ArrayQueue::new(QUESTIONS),
            thread: OnceLock::new(),
        }
    }
}

impl HostShare {
    fn has(&self, family_of: IpAddr) -> bool {
        // It orders nothing: an answer that goes astray is asked for again.
        self.has[usize::from(family_of.is_ipv6())].load(Ordering::Relaxed)
    }

    /// Returns whether that is new.
    pub(crate) fn set_has(&self, address: IpAddr, has: bool) -> bool {
        self.has[usize::from(address.is_ipv6())].swap(has, Ordering::Relaxed) != has
    }

    /// The thread that questions wake.
    pub(crate) fn set_thread(&self, thread: &Thread) {
        self.thread.get_or_init(|| thread.clone());
    }

    /// A neighbour that a poller wants to know, with the poller's index.
    pub(crate) fn question(&self) -> Option<(usize, IpAddr)> {
        self.asked.pop()
    }
}

/// One poller's end.
#[derive(Debug)]
pub(crate) struct HostLine {
    share: Arc<HostShare>,
    poller: usize,
}

impl HostLine {
    pub(crate) const fn new(share: Arc<HostShare>, poller: usize) -> Self {
        Self { share, poller }
    }

    /// Asks the kernel for a neighbour; [`Command::Resolved`](crate::Command::Resolved) follows if it answers. False: the
    /// kernel has no address beside it, and the poller asks the network itself.
    pub(crate) fn asks(&self, address: IpAddr) -> bool {
        if !self.share.has(address) {
            return false;
        }
        let fits = self.share.asked.push((self.poller, address)).is_ok();
        if let Some(thread) = self.share.thread.get().filter(|_| fits) {
            thread.unpark();
        }
        true
    }
}
