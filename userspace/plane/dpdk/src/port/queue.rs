//! The queues of a port: bursts in, bursts out.

use std::{
    cell::Cell,
    marker::PhantomData,
    mem,
    os::fd::BorrowedFd,
    ptr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::filter::PortFilter;
use crate::kernel::interface::Interface;
use crate::port::claim::Taken;
use crate::port::ethdev::Ethdev;
use crate::port::interrupt::Interrupt;
use crate::{Burst, MOST_RX_RING, Mbuf, Pool};

/// Packets that [`RxQueue::drain`] drops at once.
const DRAINED: usize = 32;

/// State shared by a port and its queues. The order of the fields matters: the device is dropped
/// before what it uses.
#[derive(Debug)]
pub(crate) struct OpenPort {
    pub(crate) ethdev: Ethdev,
    /// The queues, in pairs: at least one.
    pub(crate) pairs: Vec<QueuePair>,
    pub(crate) interface: Option<Interface>,
    pub(crate) filter: Option<Arc<PortFilter>>,
    _taken: Taken,
}

impl OpenPort {
    pub(crate) fn new(
        ethdev: Ethdev,
        pools: Vec<Pool>,
        filter: Option<PortFilter>,
        taken: Taken,
    ) -> Self {
        Self {
            interface: Interface::of(ethdev.interface_index()),
            ethdev,
            pairs: pools.into_iter().map(QueuePair::new).collect(),
            filter: filter.map(Arc::new),
            _taken: taken,
        }
    }

    /// Gives its queues of AF_XDP back, and leaves all else as it is until this process ends.
    pub(crate) fn leave(self) {
        let Self {
            mut ethdev,
            pairs,
            interface: _,
            filter,
            _taken,
        } = self;
        ethdev.leave();
        // Its driver still has the mbufs, and its program serves the other process.
        mem::forget((ethdev, pairs, filter));
    }
}

/// A receive and a transmit queue with the pool of both.
#[derive(Debug)]
pub(crate) struct QueuePair {
    pub(crate) pool: Pool,
    /// Mbufs that the driver took when the port was opened, and keeps.
    reserve: u32,
    rx_out: AtomicBool,
    tx_out: AtomicBool,
}

impl QueuePair {
    fn new(pool: Pool) -> Self {
        Self {
            reserve: pool.size() - pool.available(),
            pool,
            rx_out: AtomicBool::new(false),
            tx_out: AtomicBool::new(false),
        }
    }

    /// Mbufs that the driver has beyond its reserve.
    pub(crate) fn in_flight(&self) -> u64 {
        let pool = &self.pool;
        let elsewhere = u64::from(pool.available()) + u64::from(self.reserve) + pool.held();
        u64::from(pool.size()).saturating_sub(elsewhere)
    }
}

/// The only owner of one queue of a port. It may move to another thread but not be shared.
#[derive(Debug)]
struct Owner {
    shared: Arc<OpenPort>,
    /// Of the pair of queues.
    index: u16,
    is_out: fn(&QueuePair) -> &AtomicBool,
    _not_sync: PhantomData<Cell<()>>,
}

impl Owner {
    /// Takes a queue; `None` while it is taken, or if there is none. SYNC: queue-owner. Acquire: this
    /// owner sees what the last owner did to the driver's queue.
    fn take(
        shared: &Arc<OpenPort>,
        index: u16,
        is_out: fn(&QueuePair) -> &AtomicBool,
    ) -> Option<Self> {
        let pair = shared.pairs.get(usize::from(index))?;
        let is_free = !is_out(pair).swap(true, Ordering::Acquire);
        is_free.then(|| Self {
            shared: Arc::clone(shared),
            index,
            is_out,
            _not_sync: PhantomData,
        })
    }

    fn pair(&self) -> &QueuePair {
        &self.shared.pairs[usize::from(self.index)]
    }

    fn pool(&self) -> &Pool {
        &self.pair().pool
    }

    fn interrupt(&self) -> Option<&Interrupt> {
        self.shared.ethdev.interrupt(self.index)
    }
}

impl Drop for Owner {
    /// Returns the queue. SYNC: queue-owner. Release: the other side of `take`.
    fn drop(&mut self) {
        (self.is_out)(self.pair()).store(false, Ordering::Release);
    }
}

/// A receive queue of a port. One of each index exists at a time; dropping it returns it to the port. It may
/// move to another thread but not be shared.
#[derive(Debug)]
pub struct RxQueue(Owner);

impl RxQueue {
    pub(crate) fn take(shared: &Arc<OpenPort>, index: u16) -> Option<Self> {
        Owner::take(shared, index, |it| &it.rx_out).map(Self)
    }

    /// Appends received packets to `burst`, as many as it has room for, and returns their number.
    /// It does not wait.
    ///
    /// The first packets may have arrived before the port was opened. With an exhausted pool
    /// nothing is received: [`rx_no_mbuf`](crate::PortStats::rx_no_mbuf) counts that.
    #[inline]
    pub fn burst(&mut self, burst: &mut Burst) -> usize {
        let (ethdev, queue) = (&self.0.shared.ethdev, self.0.index);
        let pool = self.0.pool();
        let receive = |end, room| {
            if room == 0 {
                return 0;
            }
            // SAFETY: the port is started while its queues exist, this is the
            // only user of the queue, and `end` has place for `room`.
            let count = unsafe { dpdk_sys::onair_rx_burst(ethdev.id, queue, end, room) };
            if ethdev.is_ring() {
                // They are from the other end's pool.
                // SAFETY: `count` mbufs, now ours.
                unsafe { dpdk_sys::onair_mbuf_hold(end, count.into()) };
            } else if count > 0 {
                pool.hold(count.into());
            }
            count
        };
        // SAFETY: DPDK writes as many as it returns, and they are counted.
        unsafe { burst.fill(receive) }
    }

    /// Drops the packets that have arrived. Of those that arrive meanwhile, it drops at most as many as a receive ring
    /// has places.
    pub(crate) fn drain(&mut self) {
        let mut burst = Burst::with_limit(DRAINED);
        for _ in 0..2 * usize::from(MOST_RX_RING) / DRAINED {
            if self.burst(&mut burst) < DRAINED {
                return;
            }
            burst.clear();
        }
    }

    /// A descriptor that becomes readable when packets arrive: a socket of AF_XDP or AF_PACKET, or the device's
    /// interrupt ([`PortConfig::interrupt`](crate::PortConfig::interrupt)). Other drivers have none: sleep for a short time
    /// instead. If the interface goes down or is deleted, a socket of AF_PACKET has an error until `SO_ERROR` is read.
    #[must_use]
    pub fn wait_fd(&self) -> Option<BorrowedFd<'_>> {
        self.0.shared.ethdev.wait_fd(self.0.index)
    }

    /// Whether [`RxQueue::wait_fd`] is a socket of AF_PACKET.
    #[must_use]
    pub fn has_packet_socket(&self) -> bool {
        let Owner { shared, index, .. } = &self.0;
        shared.ethdev.packet_socket(*index).is_some()
    }

    /// Lets packets make [`RxQueue::wait_fd`] readable, until [`RxQueue::disarm`]. Returns whether a
    /// burst must be taken before sleeping, because packets that came before need not wake.
    pub fn arm(&mut self) -> bool {
        self.0.interrupt().is_some_and(Interrupt::enable)
    }

    /// The opposite of [`RxQueue::arm`].
    pub fn disarm(&mut self) {
        if let Some(interrupt) = self.0.interrupt() {
            interrupt.disable();
        }
    }
}

/// A transmit queue of a port. One of each index exists at a time; dropping it returns it to the port. It may
/// move to another thread but not be shared.
#[derive(Debug)]
pub struct TxQueue(Owner);

impl TxQueue {
    pub(crate) fn take(shared: &Arc<OpenPort>, index: u16) -> Option<Self> {
        Owner::take(shared, index, |it| &it.tx_out).map(Self)
    }

    /// Sends packets from the front of `burst` and returns their number; unsent packets stay in it,
    /// in order.
    ///
    /// # Panics
    /// If a packet is not from this queue's own pool: AF_XDP would copy it, and its pool could be
    /// freed during transmission.
    #[inline]
    pub fn burst(&mut self, burst: &mut Burst) -> usize {
        let (ethdev, queue) = (&self.0.shared.ethdev, self.0.index);
        if burst.is_empty() {
            return 0;
        }
        let pool = self.0.pool();
        let raw = pool.raw();
        assert!(
            burst.iter().all(|mbuf| mbuf.is_linear_of(raw)),
            "a packet for {} is from another queue's pool: allocate it from this one",
            ethdev.driver()
        );
        let send = |front, count| {
            // SAFETY: the port is started while its queues exist, this is the
            // only user of the queue, and the mbufs are ours to give.
            let sent = unsafe { dpdk_sys::onair_tx_burst(ethdev.id, queue, front, count) };
            if sent > 0 {
                pool.let_go(sent.into());
            }
            sent
        };
        // SAFETY: DPDK owns as many as it returns.
        unsafe { burst.take(send) }
    }

    /// Returns sent packets to the pool. Bursts do that as well; without traffic nothing else does.
    pub fn reclaim(&mut self) {
        let (id, queue) = (self.0.shared.ethdev.id, self.0.index);
        if self.0.shared.ethdev.is_af_xdp() {
            // SAFETY: as in `burst`; the driver reads its completion ring first, and no mbuf.
            unsafe { dpdk_sys::onair_tx_burst(id, queue, ptr::null_mut(), 0) };
        } else {
            // Drivers without this function have nothing in flight, or reclaim in bursts.
            // SAFETY: as in `burst`.
            unsafe { dpdk_sys::rte_eth_tx_done_cleanup(id, queue, 0) };
        }
    }

    /// An empty packet of this queue's pool, or `None` if it is exhausted.
    #[inline]
    #[must_use]
    pub fn alloc(&mut self) -> Option<Mbuf> {
        self.0.pool().alloc()
    }

    /// Adds `count` empty packets of this queue's pool to `burst`: all, or none if the pool or the
    /// burst has too little room. Returns whether it did.
    #[inline]
    #[must_use]
    pub fn alloc_bulk(&mut self, burst: &mut Burst, count: usize) -> bool {
        self.0.pool().alloc_bulk(burst, count)
    }

    /// Whether the kernel sends what is given to this queue: false while its interface is down or has no carrier. It
    /// then keeps the packets, and sends them when the link is up again. Two system calls on AF_XDP and AF_PACKET, else
    /// none, and true.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.0
            .shared
            .interface
            .as_ref()
            .is_none_or(Interface::is_running)
    }

    /// The descriptor of [`RxQueue::wait_fd`]: it becomes writable when there is room to send.
    #[must_use]
    pub fn wait_fd(&self) -> Option<BorrowedFd<'_>> {
        self.0.shared.ethdev.xsk(self.0.index)
    }
}

// A poller gets its queues from another thread.
const _: () = {
    const fn may_move<T: Send>() {}
    may_move::<RxQueue>();
    may_move::<TxQueue>();
    may_move::<Burst>();
};
