//! Replaces the shared memory in a forked child.
//!
//! The mappings are not inherited (`MADV_DONTFORK`): a child that kept them would be a user that no
//! witness counts. Zeroed private pages take their place, so that a call in the child finds closed
//! gates and returns `ESTALE` instead of faulting. A child made by a raw `clone` that skips
//! `pthread_atfork` faults.

use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::Once;

use crate::mapping::Mapping;

/// Mappings that can be protected; three for each attachment.
const PLACES: usize = 3 * 1024;

struct ProtectedMapping {
    base: AtomicUsize,
    len: AtomicUsize,
}

static TABLE: [ProtectedMapping; PLACES] = [const {
    ProtectedMapping {
        base: AtomicUsize::new(0),
        len: AtomicUsize::new(0),
    }
}; PLACES];

/// Number of forks between the first process of the library and this one.
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// Distinguishes this process from its forked children. A process id does not: in its own pid
/// namespace a child may have its parent's.
pub(super) fn generation() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}

/// Adds the mapping to the table. `None` if the table is full: a forked child then faults there.
pub(super) fn protect(mapping: &Mapping) -> Option<usize> {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        // SAFETY: the handler only reads atomics and calls mmap, which a forked child may do.
        unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    });
    let base = mapping.base().as_ptr() as usize;
    TABLE.iter().position(|place| {
        let free = place
            .base
            .compare_exchange(0, base, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok();
        if free {
            place.len.store(mapping.len(), Ordering::Release);
        }
        free
    })
}

/// Removes the mapping from the table, before it is unmapped.
pub(super) fn unprotect(place: usize) {
    TABLE[place].len.store(0, Ordering::Release);
    TABLE[place].base.store(0, Ordering::Release);
}

unsafe extern "C" fn in_child() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
    for place in &TABLE {
        let (base, len) = (
            place.base.load(Ordering::Acquire),
            place.len.load(Ordering::Acquire),
        );
        if base == 0 || len == 0 {
            continue;
        }
        // SAFETY: the range was the parent's mapping and is a hole in the child; no other mapping
        // can have taken it, since this runs before fork returns.
        unsafe {
            libc::mmap(
                base as *mut libc::c_void,
                len,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_FIXED | libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            );
        }
    }
}
