//! Packet memory.

use std::{
    ffi::CString,
    mem,
    ptr::NonNull,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use dpdk_sys::rte_mempool;

use crate::eal::Alive;
use crate::packets::room::{Driver, Room};
use crate::{Burst, ETHERNET_MTU, Eal, Error, Mbuf, log};

/// A pool of mbufs: of 2048 bytes each, or as a port needs them.
///
/// Each mbuf is in the pool (in its ring or in a registered thread's cache), with a driver, or held
/// by this program. A dropped pool keeps its memory until all its mbufs are back.
#[derive(Debug)]
pub struct Pool {
    raw: NonNull<rte_mempool>,
    /// The word in the pool's private area that counts held mbufs.
    held: NonNull<u64>,
    size: u32,
    /// Whether a closed driver may keep mbufs for good, so that the pool never fills again (AF_XDP:
    /// those in its fill ring).
    driver_swallows: bool,
    alive: Arc<Alive>,
}

// SAFETY: DPDK's pools are for use from several threads.
unsafe impl Send for Pool {}
// SAFETY: as above.
unsafe impl Sync for Pool {}

/// Pools without an owner whose mbufs are not all back.
static PARKED: Mutex<Vec<Pool>> = Mutex::new(Vec::new());

impl Pool {
    /// Longest pool name, in bytes: DPDK derives other names from it.
    const LONGEST_NAME: usize = 22;

    /// Creates a pool of `mbufs` mbufs (about 2.3 KiB each).
    ///
    /// # Errors
    /// [`Error::Invalid`] for a bad name, [`Error::Dpdk`] if there is no memory or the name is
    /// taken, [`Error::PoolScattered`].
    pub fn new(eal: &Eal, name: &str, mbufs: u32) -> Result<Self, Error> {
        let room = Room::new(Driver::Other, ETHERNET_MTU);
        Self::on_node(eal, name, (mbufs, room), -1, true)
    }

    /// As [`Pool::new`], of mbufs with this room, on a NUMA node; -1 is any. With physical addresses it lies in several
    /// pieces, which only AF_XDP cannot use.
    pub(crate) fn on_node(
        eal: &Eal,
        name: &str,
        (mbufs, room): (u32, Room),
        node: i32,
        in_one_piece: bool,
    ) -> Result<Self, Error> {
        sweep();
        let invalid = || Error::Invalid {
            what: "pool name",
            value: name.to_owned(),
            expected: "1 to 22 bytes, without NUL",
        };
        if name.is_empty() || name.len() > Self::LONGEST_NAME {
            return Err(invalid());
        }
        let c_name = CString::new(name).map_err(|_| invalid())?;
        // DPDK requires at least one and a half caches in a pool, and at most 512 mbufs in a cache;
        // with eight caches every thread gets some.
        let cache = (mbufs / 8).min(256);
        let headroom = u16::try_from(dpdk_sys::ONAIR_MBUF_HEADROOM).expect("128");
        let bytes = room.data + headroom;
        // SAFETY: EAL is up, `eal` proves it; the name is copied.
        let create =
            || unsafe { dpdk_sys::onair_pool_create(c_name.as_ptr(), mbufs, cache, bytes, node) };
        let (raw, log) = log::captured(create);
        let Some(raw) = NonNull::new(raw) else {
            // SAFETY: reads a thread-local of DPDK's.
            let errno = unsafe { dpdk_sys::onair_errno() };
            let subject = format!(
                "{name:?} of {mbufs} mbufs of {} bytes, some {} MiB of memory_mb",
                room.data,
                room.plain_mb(mbufs)
            );
            return Err(Error::dpdk("make the pool", subject, -errno, log));
        };
        // SAFETY: a live pool, made with that word.
        let held = unsafe { dpdk_sys::onair_pool_held(raw.as_ptr()) };
        let pool = Self {
            raw,
            held: NonNull::new(held).expect("inside the pool"),
            size: mbufs,
            driver_swallows: false,
            alive: eal.alive(),
        };
        // SAFETY: a live pool.
        match unsafe { dpdk_sys::onair_pool_chunks(raw.as_ptr()) } {
            1 => Ok(pool),
            _ if !in_one_piece => Ok(pool),
            chunks => Err(Error::PoolScattered {
                name: name.to_owned(),
                mbufs,
                chunks,
            }),
        }
    }

    /// Number of mbufs in total.
    #[must_use]
    pub fn size(&self) -> u32 {
        self.size
    }

    /// Mbufs in the pool. Walks the caches of all threads: for statistics, not for each burst.
    #[must_use]
    pub fn available(&self) -> u32 {
        // SAFETY: a live pool.
        unsafe { dpdk_sys::rte_mempool_avail_count(self.raw.as_ptr()) }
    }

    /// Mbufs that this program holds, as [`Mbuf`]s or in [`Burst`]s. The others that are not
    /// available are with a driver.
    #[must_use]
    pub fn held(&self) -> u64 {
        // SYNC: pool-held. Acquire: what was freed before the count fell is
        // seen as freed.
        self.held_word().load(Ordering::Acquire)
    }

    /// An empty packet, or `None` if the pool is exhausted.
    #[must_use]
    pub fn alloc(&self) -> Option<Mbuf> {
        let mut raw = std::ptr::null_mut();
        // SAFETY: a live pool and room for one pointer.
        let code = unsafe { dpdk_sys::onair_mbuf_alloc_bulk(self.raw.as_ptr(), &raw mut raw, 1) };
        if code != 0 {
            return None;
        }
        self.hold(1);
        // SAFETY: just allocated, just counted.
        NonNull::new(raw).map(|raw| unsafe { Mbuf::from_raw(raw) })
    }

    /// Adds `count` empty packets to `burst`: all, or none if the pool or the burst has too little
    /// room. Returns whether it did.
    #[must_use]
    pub fn alloc_bulk(&self, burst: &mut Burst, count: usize) -> bool {
        let Ok(wanted) = u16::try_from(count.min(Burst::CAPACITY + 1)) else {
            return false;
        };
        if count > burst.room() {
            return false;
        }
        let fill = |end, _room| {
            // SAFETY: a live pool; `room`, which is no less than `wanted`.
            let code = unsafe {
                dpdk_sys::onair_mbuf_alloc_bulk(self.raw.as_ptr(), end, u32::from(wanted))
            };
            if code != 0 {
                return 0;
            }
            self.hold(u64::from(wanted));
            wanted
        };
        // SAFETY: DPDK writes all or nothing, and those are counted.
        unsafe { burst.fill(fill) == count }
    }

    pub(crate) fn raw(&self) -> *mut rte_mempool {
        self.raw.as_ptr()
    }

    /// Leaves out the mbufs that the AF_XDP driver cannot use. Closing the driver may leave others missing.
    pub(crate) fn give_to_af_xdp(&mut self) {
        self.driver_swallows = true;
        // SAFETY: a live pool of one piece, all of whose mbufs are in it.
        self.size = unsafe { dpdk_sys::onair_pool_trim(self.raw.as_ptr()) };
    }

    /// Takes back what a driver of AF_XDP has kept that could not be started, and is closed. No queue ever had mbufs of it.
    pub(crate) fn take_back(&mut self) {
        // SAFETY: a live pool, whose mbufs no code uses: the driver that had some is closed.
        unsafe { dpdk_sys::onair_pool_refill(self.raw.as_ptr()) };
        self.give_to_af_xdp();
    }

    #[inline]
    fn held_word(&self) -> &AtomicU64 {
        // SAFETY: the word lives as long as the pool, is aligned, and all
        // access to it is atomic, here and in the shim.
        unsafe { AtomicU64::from_ptr(self.held.as_ptr()) }
    }

    /// Counts `count` mbufs of this pool that came to this program.
    #[inline]
    pub(crate) fn hold(&self, count: u64) {
        // SYNC: pool-held. Relaxed: the pool cannot go while we borrow it.
        self.held_word().fetch_add(count, Ordering::Relaxed);
    }

    /// Counts `count` mbufs of this pool that a driver took.
    #[inline]
    pub(crate) fn let_go(&self, count: u64) {
        // SYNC: pool-held. Release: after the last touch of them.
        self.held_word().fetch_sub(count, Ordering::Release);
    }

    /// Whether no code can touch its memory.
    fn is_idle(&self) -> bool {
        self.held() == 0 && (self.driver_swallows || self.available() == self.size)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if self.is_idle() {
            // SAFETY: no mbuf of it is held, and none is with a driver: either
            // all are back, or the driver that had them is closed.
            unsafe { dpdk_sys::rte_mempool_free(self.raw.as_ptr()) };
            return;
        }
        let parked = Self {
            raw: self.raw,
            held: self.held,
            size: self.size,
            driver_swallows: self.driver_swallows,
            alive: Arc::clone(&self.alive),
        };
        tracing::debug!(target: "dpdk", size = self.size, held = self.held(), "pool outlives its owner");
        PARKED
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(parked);
    }
}

/// Frees the pools that have become idle since their owners dropped them.
pub(crate) fn sweep() {
    let idle: Vec<Pool> = {
        let mut parked = PARKED.lock().unwrap_or_else(PoisonError::into_inner);
        let (idle, busy) = mem::take(&mut *parked).into_iter().partition(Pool::is_idle);
        *parked = busy;
        idle
    };
    // Not under the lock: dropping may park again.
    drop(idle);
}
