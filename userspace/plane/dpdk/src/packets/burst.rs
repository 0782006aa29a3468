//! Bursts: the packets that a queue sends or receives in one call.

use std::{
    ops::{Deref, DerefMut},
    ptr,
};

use arrayvec::ArrayVec;
use dpdk_sys::rte_mbuf;

use crate::Mbuf;

/// A buffer of up to [`Burst::CAPACITY`] packets, in order. Create it once and reuse it for every
/// burst.
///
/// It dereferences to the packets as a slice.
#[derive(Debug)]
pub struct Burst {
    mbufs: ArrayVec<Mbuf, { Self::CAPACITY }>,
    limit: usize,
}

impl Burst {
    /// Largest burst. A veth pair behind AF_XDP has 256 places and loses packets of bursts of that
    /// size.
    pub const CAPACITY: usize = 128;

    /// An empty buffer.
    #[must_use]
    pub fn new() -> Self {
        Self::with_limit(Self::CAPACITY)
    }

    /// An empty buffer for `limit` packets, at most [`Burst::CAPACITY`].
    #[must_use]
    pub fn with_limit(limit: usize) -> Self {
        Self {
            mbufs: ArrayVec::new_const(),
            limit: limit.min(Self::CAPACITY),
        }
    }

    /// Free places.
    #[inline]
    #[must_use]
    pub fn room(&self) -> usize {
        self.limit - self.mbufs.len()
    }

    /// Adds a packet at the end.
    ///
    /// # Errors
    /// Returns the packet if there is no room.
    #[inline]
    pub fn push(&mut self, mbuf: Mbuf) -> Result<(), Mbuf> {
        if self.room() == 0 {
            return Err(mbuf);
        }
        self.mbufs.push(mbuf);
        Ok(())
    }

    /// Removes the last packet.
    #[inline]
    pub fn pop(&mut self) -> Option<Mbuf> {
        self.mbufs.pop()
    }

    /// Keeps the packets for which `keep` is true, in order, and frees the others.
    #[inline]
    pub fn retain(&mut self, keep: impl FnMut(&mut Mbuf) -> bool) {
        self.mbufs.retain(keep);
    }

    /// Removes all packets, in order.
    pub fn drain(&mut self) -> impl Iterator<Item = Mbuf> {
        self.mbufs.drain(..)
    }

    /// Frees all packets, faster than one by one.
    #[inline]
    pub fn clear(&mut self) {
        let count = self.mbufs.len();
        let raw = self.raw();
        // SAFETY: no element is left to be dropped; the release below ends them. Each was an
        // `Mbuf`, so they are held.
        unsafe {
            self.mbufs.set_len(0);
            dpdk_sys::onair_mbuf_release(raw, Self::count(count).into());
        }
    }

    /// The packets in DPDK's form: `Mbuf` is a transparent pointer.
    #[inline]
    fn raw(&mut self) -> *mut *mut rte_mbuf {
        self.mbufs.as_mut_ptr().cast()
    }

    #[inline]
    fn count(count: usize) -> u16 {
        const { assert!(Self::CAPACITY <= u16::MAX as usize) };
        u16::try_from(count).expect("at most CAPACITY")
    }

    /// Lets `fill` write up to this many mbufs after the last one; `fill` returns how many it
    /// wrote.
    ///
    /// # Safety
    /// `fill` writes as many pointers as it returns, at most as many as it was given room for; each
    /// is an mbuf that no other code owns and that is held.
    #[inline]
    pub(crate) unsafe fn fill(
        &mut self,
        fill: impl FnOnce(*mut *mut rte_mbuf, u16) -> u16,
    ) -> usize {
        let length = self.mbufs.len();
        let room = self.room();
        // SAFETY: `length` is within the array.
        let end = unsafe { self.raw().add(length) };
        let written = usize::from(fill(end, Self::count(room)));
        debug_assert!(written <= room);
        // SAFETY: the caller's promise.
        unsafe { self.mbufs.set_len(length + written) };
        written
    }

    /// Lets `take` take mbufs from the front; it returns how many it took.
    ///
    /// # Safety
    /// `take` becomes the owner of as many as it returns, at most as many as it was offered.
    #[inline]
    pub(crate) unsafe fn take(
        &mut self,
        take: impl FnOnce(*mut *mut rte_mbuf, u16) -> u16,
    ) -> usize {
        let length = self.mbufs.len();
        let raw = self.raw();
        let taken = usize::from(take(raw, Self::count(length)));
        debug_assert!(taken <= length);
        let left = length - taken;
        // SAFETY: the first `taken` are no longer ours; the rest moves down.
        unsafe {
            if taken > 0 {
                ptr::copy(raw.add(taken), raw, left);
            }
            self.mbufs.set_len(left);
        }
        taken
    }
}

impl Default for Burst {
    fn default() -> Self {
        Self::new()
    }
}

impl Deref for Burst {
    type Target = [Mbuf];

    #[inline]
    fn deref(&self) -> &[Mbuf] {
        &self.mbufs
    }
}

impl DerefMut for Burst {
    #[inline]
    fn deref_mut(&mut self) -> &mut [Mbuf] {
        &mut self.mbufs
    }
}

impl Drop for Burst {
    fn drop(&mut self) {
        self.clear();
    }
}
