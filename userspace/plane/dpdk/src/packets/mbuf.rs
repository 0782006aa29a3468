//! One packet's memory.

use std::{
    arch::x86_64::{_MM_HINT_T0, _mm_prefetch},
    fmt,
    ptr::NonNull,
    slice,
    sync::atomic::{AtomicU16, Ordering},
};

use dpdk_sys::rte_mbuf;

/// A packet in memory of a [`Pool`](crate::Pool); dropping it frees it, if it is the last of those that [`Mbuf::share`]
/// made.
///
/// It is linear: one piece of memory. Ports are configured to receive no packet in several pieces,
/// and the AF_XDP driver would send such packets wrongly.
#[repr(transparent)]
pub struct Mbuf(NonNull<rte_mbuf>);

// SAFETY: an mbuf is plain memory with one owner, or with several that only read it and count themselves; any thread may
// return it to its pool's free list.
unsafe impl Send for Mbuf {}

impl Mbuf {
    /// # Safety
    /// `raw` is an allocated mbuf that no other code owns, and its pool counts it as held.
    pub(crate) unsafe fn from_raw(raw: NonNull<rte_mbuf>) -> Self {
        Self(raw)
    }

    /// How many own it.
    #[inline]
    fn owners(&self) -> &AtomicU16 {
        // SAFETY: DPDK's count (rte_mbuf_refcnt_update), at the header's offset, for as long as we own the mbuf. DPDK
        // changes it atomically while there are several owners.
        unsafe {
            let field = self
                .0
                .as_ptr()
                .byte_add(dpdk_sys::ONAIR_MBUF_REFCNT as usize);
            AtomicU16::from_ptr(field.cast())
        }
    }

    /// The same packet for another owner, without a copy. No owner can write it until it is alone again.
    #[must_use]
    pub fn share(&self) -> Self {
        // Relaxed, as in an `Arc`: the caller hands the new one over, and DPDK orders the last free.
        self.owners().fetch_add(1, Ordering::Relaxed);
        let mut raw = self.0.as_ptr();
        // SAFETY: an mbuf that is held, and is counted once more for the new owner.
        unsafe { dpdk_sys::onair_mbuf_hold(&raw mut raw, 1) };
        Self(self.0)
    }

    /// # Panics
    /// If others own it, too.
    #[inline]
    fn check_alone(&self) {
        let owners = self.owners().load(Ordering::Acquire);
        assert_eq!(owners, 1, "a packet with several owners is not written");
    }

    /// A field of DPDK's structure.
    #[inline]
    fn field<T: Copy>(&self, offset: u32) -> T {
        // SAFETY: the offsets are those of fields of type T, taken from the
        // same header (dpdk-sys/shim.h), and we own the mbuf.
        unsafe { self.0.as_ptr().byte_add(offset as usize).cast::<T>().read() }
    }

    #[inline]
    fn set_field<T: Copy>(&mut self, offset: u32, value: T) {
        self.check_alone();
        // SAFETY: as in `field`, and we hold the only reference.
        unsafe {
            self.0
                .as_ptr()
                .byte_add(offset as usize)
                .cast::<T>()
                .write(value)
        }
    }

    #[inline]
    fn start(&self) -> *mut u8 {
        let buffer: *mut u8 = self.field(dpdk_sys::ONAIR_MBUF_BUF_ADDR);
        let offset: u16 = self.field(dpdk_sys::ONAIR_MBUF_DATA_OFF);
        // SAFETY: DPDK keeps data_off within the buffer.
        unsafe { buffer.add(usize::from(offset)) }
    }

    /// The packet's length in bytes.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        usize::from(self.field::<u16>(dpdk_sys::ONAIR_MBUF_DATA_LEN))
    }

    /// Whether the packet has no byte, as after allocation.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The packet's bytes, Ethernet header included.
    #[inline]
    #[must_use]
    pub fn data(&self) -> &[u8] {
        // SAFETY: `len` bytes from `start` lie in the mbuf's buffer (DPDK's
        // invariant, which `append` keeps), which pool memory keeps
        // initialised and which only an owner that is alone writes.
        unsafe { slice::from_raw_parts(self.start(), self.len()) }
    }

    /// Prefetches the packet's first 128 bytes, its headers: call it some packets before they are
    /// read.
    #[inline]
    pub fn prefetch(&self) {
        let start = self.start();
        // SAFETY: a hint, which reads nothing; both addresses lie in the mbuf's buffer, of 2 KiB.
        unsafe {
            _mm_prefetch::<_MM_HINT_T0>(start.cast());
            _mm_prefetch::<_MM_HINT_T0>(start.add(64).cast());
        }
    }

    /// The packet's bytes, writable.
    #[inline]
    #[must_use]
    pub fn data_mut(&mut self) -> &mut [u8] {
        self.check_alone();
        // SAFETY: as in `data`, and we hold the only reference.
        unsafe { slice::from_raw_parts_mut(self.start(), self.len()) }
    }

    /// The control information of a VLAN tag that the device has taken out of the packet.
    #[inline]
    #[must_use]
    pub fn stripped_tag(&self) -> Option<u16> {
        let flags: u64 = self.field(dpdk_sys::ONAIR_MBUF_OL_FLAGS);
        let is_stripped = flags & u64::from(dpdk_sys::ONAIR_MBUF_VLAN_STRIPPED) != 0;
        is_stripped.then(|| self.field(dpdk_sys::ONAIR_MBUF_VLAN_TCI))
    }

    /// Shortens the packet by its first `length` bytes, at most all.
    #[inline]
    pub fn trim_front(&mut self, length: usize) {
        let length = length.min(self.len());
        let offset: u16 = self.field(dpdk_sys::ONAIR_MBUF_DATA_OFF);
        let left = u16::try_from(self.len() - length).expect("less than before");
        let length = u16::try_from(length).expect("at most all");
        self.set_field::<u16>(dpdk_sys::ONAIR_MBUF_DATA_OFF, offset + length);
        self.set_field::<u16>(dpdk_sys::ONAIR_MBUF_DATA_LEN, left);
        self.set_field::<u32>(dpdk_sys::ONAIR_MBUF_PKT_LEN, u32::from(left));
    }

    /// Free bytes after the packet.
    #[inline]
    #[must_use]
    pub fn tailroom(&self) -> usize {
        let room = usize::from(self.field::<u16>(dpdk_sys::ONAIR_MBUF_BUF_LEN));
        let offset = usize::from(self.field::<u16>(dpdk_sys::ONAIR_MBUF_DATA_OFF));
        room.saturating_sub(offset + self.len())
    }

    /// Lengthens the packet by `length` bytes and returns those, or `None` if they do not fit. They
    /// have their previous contents: write every byte, or parts of old packets are sent.
    #[inline]
    #[must_use]
    pub fn append(&mut self, length: usize) -> Option<&mut [u8]> {
        if length > self.tailroom() {
            return None;
        }
        let old = self.len();
        let new = u16::try_from(old + length).ok()?;
        self.set_field::<u16>(dpdk_sys::ONAIR_MBUF_DATA_LEN, new);
        self.set_field::<u32>(dpdk_sys::ONAIR_MBUF_PKT_LEN, u32::from(new));
        Some(&mut self.data_mut()[old..])
    }

    /// Its pool, and whether it is in one piece.
    #[inline]
    pub(crate) fn is_linear_of(&self, pool: *mut dpdk_sys::rte_mempool) -> bool {
        self.field::<*mut dpdk_sys::rte_mempool>(dpdk_sys::ONAIR_MBUF_POOL) == pool
            && self.field::<u16>(dpdk_sys::ONAIR_MBUF_NB_SEGS) == 1
    }
}

impl Drop for Mbuf {
    #[inline]
    fn drop(&mut self) {
        let mut raw = self.0.as_ptr();
        // SAFETY: we own it, and it is counted as held since `from_raw`.
        unsafe { dpdk_sys::onair_mbuf_release(&raw mut raw, 1) };
    }
}

impl fmt::Debug for Mbuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mbuf").field("len", &self.len()).finish()
    }
}
