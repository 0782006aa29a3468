//! The two queues of a port: bursts in, bursts out.

use std::{
    cell::Cell,
    marker::PhantomData,
    os::fd::BorrowedFd,
    ptr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{Burst, Mbuf, Pool, claim::Claim, ethdev::Ethdev, interrupt::Interrupt};

/// State shared by a port and its queues. The order of the fields matters: the device is dropped
/// before what it uses.
#[derive(Debug)]
pub(crate) struct OpenPort {
    pub(crate) ethdev: Ethdev,
    pub(crate) pool: Pool,
    _claim: Option<Claim>,
    rx_out: AtomicBool,
    tx_out: AtomicBool,
}

impl OpenPort {
    pub(crate) fn new(ethdev: Ethdev, pool: Pool, claim: Option<Claim>) -> Self {
        Self {
            ethdev,
            pool,
            _claim: claim,
            rx_out: AtomicBool::new(false),
            tx_out: AtomicBool::new(false),
        }
    }
}

/// The only owner of one queue of a port. It may move to another thread but not be shared.
#[derive(Debug)]
struct Owner {
    shared: Arc<OpenPort>,
    is_out: fn(&OpenPort) -> &AtomicBool,
    _not_sync: PhantomData<Cell<()>>,
}

impl Owner {
    /// Takes a queue; `None` while it is taken. SYNC: queue-owner. Acquire: this owner sees what the
    /// last owner did to the driver's queue.
    fn take(shared: &Arc<OpenPort>, is_out: fn(&OpenPort) -> &AtomicBool) -> Option<Self> {
        let is_free = !is_out(shared).swap(true, Ordering::Acquire);
        is_free.then(|| Self {
            shared: Arc::clone(shared),
            is_out,
            _not_sync: PhantomData,
        })
    }
}

impl Drop for Owner {
    /// Returns the queue. SYNC: queue-owner. Release: the other side of `take`.
    fn drop(&mut self) {
        (self.is_out)(&self.shared).store(false, Ordering::Release);
    }
}

/// The receive queue of a port. One exists at a time; dropping it returns it to the port. It may
/// move to another thread but not be shared.
#[derive(Debug)]
pub struct RxQueue(Owner);

impl RxQueue {
    pub(crate) fn take(shared: &Arc<OpenPort>) -> Option<Self> {
        Owner::take(shared, |it| &it.rx_out).map(Self)
    }

    /// Appends received packets to `burst`, as many as it has room for, and returns their number.
    /// It does not wait.
    ///
    /// The first packets may have arrived before the port was opened. With an exhausted pool
    /// nothing is received: [`rx_no_mbuf`](crate::PortStats::rx_no_mbuf) counts that.
    #[inline]
    pub fn burst(&mut self, burst: &mut Burst) -> usize {
        let shared = &*self.0.shared;
        let receive = |end, room| {
            if room == 0 {
                return 0;
            }
            // SAFETY: the port is started while its queues exist, this is the
            // only user of the queue, and `end` has place for `room`.
            let count = unsafe { dpdk_sys::onair_rx_burst(shared.ethdev.id, 0, end, room) };
            if shared.ethdev.is_ring() {
                // They are from the other end's pool.
                // SAFETY: `count` mbufs, now ours.
                unsafe { dpdk_sys::onair_mbuf_hold(end, count.into()) };
            } else if count > 0 {
                shared.pool.hold(count.into());
            }
            count
        };
        // SAFETY: DPDK writes as many as it returns, and they are counted.
        unsafe { burst.fill(receive) }
    }

    /// A descriptor that becomes readable when packets arrive: of AF_XDP, or of the device's
    /// interrupt ([`PortConfig::interrupt`](crate::PortConfig::interrupt)). Other drivers have none: sleep for a short time
    /// instead. It does not become readable when the interface is deleted.
    #[must_use]
    pub fn wait_fd(&self) -> Option<BorrowedFd<'_>> {
        self.0.shared.ethdev.wait_fd()
    }

    /// Lets packets make [`RxQueue::wait_fd`] readable, until [`RxQueue::disarm`]. Returns whether a
    /// burst must be taken before sleeping, because packets that came before need not wake.
    pub fn arm(&mut self) -> bool {
        let interrupt = self.0.shared.ethdev.interrupt();
        interrupt.is_some_and(Interrupt::enable)
    }

    /// The opposite of [`RxQueue::arm`].
    pub fn disarm(&mut self) {
        if let Some(interrupt) = self.0.shared.ethdev.interrupt() {
            interrupt.disable();
        }
    }
}

/// The transmit queue of a port. One exists at a time; dropping it returns it to the port. It may
/// move to another thread but not be shared.
#[derive(Debug)]
pub struct TxQueue(Owner);

impl TxQueue {
    pub(crate) fn take(shared: &Arc<OpenPort>) -> Option<Self> {
        Owner::take(shared, |it| &it.tx_out).map(Self)
    }

    /// Sends packets from the front of `burst` and returns their number; unsent packets stay in it,
    /// in order.
    ///
    /// # Panics
    /// If a packet is not from this port's own pool: AF_XDP would copy it, and its pool could be
    /// freed during transmission.
    #[inline]
    pub fn burst(&mut self, burst: &mut Burst) -> usize {
        let shared = &*self.0.shared;
        if burst.is_empty() {
            return 0;
        }
        let pool = shared.pool.raw();
        assert!(
            burst.iter().all(|mbuf| mbuf.is_linear_of(pool)),
            "a packet for {} is from another port's pool: allocate it from this one",
            shared.ethdev.driver()
        );
        let send = |front, count| {
            // SAFETY: the port is started while its queues exist, this is the
            // only user of the queue, and the mbufs are ours to give.
            let sent = unsafe { dpdk_sys::onair_tx_burst(shared.ethdev.id, 0, front, count) };
            if sent > 0 {
                shared.pool.let_go(sent.into());
            }
            sent
        };
        // SAFETY: DPDK owns as many as it returns.
        unsafe { burst.take(send) }
    }

    /// Returns sent packets to the pool. Bursts do that as well; without traffic nothing else does.
    pub fn reclaim(&mut self) {
        let id = self.0.shared.ethdev.id;
        if self.0.shared.ethdev.is_af_xdp() {
            // SAFETY: as in `burst`; the driver reads its completion ring first, and no mbuf.
            unsafe { dpdk_sys::onair_tx_burst(id, 0, ptr::null_mut(), 0) };
        } else {
            // Drivers without this function have nothing in flight, or reclaim in bursts.
            // SAFETY: as in `burst`.
            unsafe { dpdk_sys::rte_eth_tx_done_cleanup(id, 0, 0) };
        }
    }

    /// An empty packet of this port's pool, or `None` if it is exhausted.
    #[inline]
    #[must_use]
    pub fn alloc(&mut self) -> Option<Mbuf> {
        self.0.shared.pool.alloc()
    }

    /// Adds `count` empty packets of this port's pool to `burst`: all, or none if the pool or the
    /// burst has too little room. Returns whether it did.
    #[inline]
    #[must_use]
    pub fn alloc_bulk(&mut self, burst: &mut Burst, count: usize) -> bool {
        self.0.shared.pool.alloc_bulk(burst, count)
    }

    /// The descriptor of [`RxQueue::wait_fd`]: it becomes writable when there is room to send.
    #[must_use]
    pub fn wait_fd(&self) -> Option<BorrowedFd<'_>> {
        self.0.shared.ethdev.xsk()
    }
}

// A poller gets its queues from another thread.
const _: () = {
    const fn may_move<T: Send>() {}
    may_move::<RxQueue>();
    may_move::<TxQueue>();
    may_move::<Burst>();
};
