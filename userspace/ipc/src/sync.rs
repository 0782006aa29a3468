//! Atomics, replaced by loom's with the feature `loom` and by those of a random scheduler with
//! `shuttle`, and the asymmetric fence pair.
//!
//! Counting costs a caller nothing: it stores its slot plainly and calls [`light`], which only
//! stops the compiler. The daemon pays when it drains: [`heavy`] makes every processor that runs a
//! registered client execute a full barrier (membarrier(2), `GLOBAL_EXPEDITED`).

#[cfg(any(feature = "shuttle", simulated))]
pub use crate::scheduled::{AtomicU32, AtomicU64};
#[cfg(any(feature = "shuttle", simulated))]
pub use core::sync::atomic::Ordering;
#[cfg(not(any(feature = "loom", feature = "shuttle", simulated)))]
pub use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
#[cfg(feature = "loom")]
pub use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// The caller's half of the pair: on x86-64 a compiler fence. SYNC: light-heavy.
#[inline(always)]
pub fn light() {
    #[cfg(simulated)]
    crate::scheduled::light();
    #[cfg(not(feature = "loom"))]
    core::sync::atomic::compiler_fence(Ordering::SeqCst);
    #[cfg(feature = "loom")]
    loom::sync::atomic::fence(Ordering::SeqCst);
}

/// The daemon's half of the pair: a full fence here and on every processor that runs a registered
/// client. Costs about 10 µs; control thread only. SYNC: light-heavy.
pub fn heavy() {
    #[cfg(not(feature = "loom"))]
    {
        fence();
        if !onair_mutant::mutant!("barrier: none") {
            #[cfg(simulated)]
            crate::scheduled::barrier();
            #[cfg(not(simulated))]
            crate::membarrier::global();
        }
    }
    #[cfg(feature = "loom")]
    if !onair_mutant::mutant!("barrier: no heavy fence") {
        loom::sync::atomic::fence(Ordering::SeqCst);
    }
}

/// A full fence, on this processor only.
pub fn fence() {
    #[cfg(simulated)]
    crate::scheduled::fence();
    #[cfg(not(feature = "loom"))]
    core::sync::atomic::fence(Ordering::SeqCst);
    #[cfg(feature = "loom")]
    loom::sync::atomic::fence(Ordering::SeqCst);
}

/// A full fence beside a read-modify-write that is already SeqCst: nothing on x86-64, needed under
/// loom, which has no SeqCst accesses.
#[inline(always)]
pub fn full() {
    #[cfg(feature = "loom")]
    loom::sync::atomic::fence(Ordering::SeqCst);
}
