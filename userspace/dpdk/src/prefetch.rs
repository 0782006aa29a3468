//! Telling the processor what will be read soon.

use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

/// Bytes that the processor fetches at once.
const LINE: usize = 64;

/// Has the processor fetch the bytes of `what`, not of what it points to, while other work is done.
#[inline]
pub fn prefetch<T>(what: &T) {
    let start: *const i8 = std::ptr::from_ref(what).cast();
    for at in (0..size_of::<T>()).step_by(LINE) {
        // SAFETY: a hint, which reads nothing; the address lies within `what`.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(start.add(at)) };
    }
}
