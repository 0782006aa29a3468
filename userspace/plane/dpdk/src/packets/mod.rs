//! Packets and their memory.

pub(crate) mod burst;
pub(crate) mod mbuf;
pub(crate) mod mempool;
pub(crate) mod room;

use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

/// Cache line, in bytes.
const LINE: usize = 64;

/// Prefetches the bytes of `what`, not of what it points to.
#[inline]
pub fn prefetch<T>(what: &T) {
    let start: *const i8 = std::ptr::from_ref(what).cast();
    for at in (0..size_of::<T>()).step_by(LINE) {
        // SAFETY: a hint, which reads nothing; the address lies within `what`.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(start.add(at)) };
    }
}
