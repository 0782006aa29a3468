//! The gate: one word for each stopper, which is also its generation.
//!
//! Bit 0 is RUN; a running gate is `2g + 1`. Stopping clears the bit, starting moves to the next
//! generation, so `gate != snapshot` is true exactly when a stop happened since the snapshot: a
//! caller cannot miss a stop→start pulse, nor see it twice, and a later call does not see it. Zero
//! is closed: fresh, punched and tombstoned pages refuse every caller.

use onair_mutant::mutant;

use crate::sync::{AtomicU32, Ordering};

/// Set while the gate lets callers in.
pub const RUN: u32 = 1;

/// One gate word.
#[repr(transparent)]
#[derive(Debug)]
pub struct Gate(AtomicU32);

impl Gate {
    /// A closed gate.
    pub fn closed() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Closes the gate. Wait-free, no allocation, no lock: callable from a signal handler. Returns
    /// whether it was open. Notify the event counts after it. SYNC: gate-count.
    #[inline]
    pub fn stop(&self) -> bool {
        let before = self.0.fetch_and(!RUN, Ordering::SeqCst);
        crate::sync::full();
        before & RUN != 0
    }

    /// Opens a closed gate at its next generation. Returns false if it was open, or if another
    /// thread opened it at the same moment.
    pub fn start(&self) -> bool {
        let now = self.0.load(Ordering::SeqCst);
        if now & RUN != 0 {
            return false;
        }
        self.0
            .compare_exchange(now, next(now), Ordering::SeqCst, Ordering::Relaxed)
            .is_ok()
    }

    /// The current value. SYNC: gate-count.
    #[inline(always)]
    pub fn load(&self) -> u32 {
        let order = mutant!("gates: read relaxed", Ordering::Relaxed, Ordering::Acquire);
        self.0.load(order)
    }

    /// The word itself, for a futex wait on it.
    pub fn word(&self) -> &AtomicU32 {
        &self.0
    }
}

/// The open value that follows the closed value `closed`.
///
/// The value 1 is never used: its closed form would be 0, which is the `ack` of a freshly claimed
/// slot, and a caller inside would then look acknowledged.
fn next(closed: u32) -> u32 {
    match closed.wrapping_add(3) {
        1 if !mutant!("gates: 1 is used, which closes to a fresh acknowledgement") => 3,
        open => open,
    }
}

/// Whether a gate with this value lets callers in.
#[inline(always)]
pub fn is_open(value: u32) -> bool {
    value & RUN != 0
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;

    #[test]
    fn gate_fresh_then_closed() {
        let gate = Gate::closed();
        assert!(!is_open(gate.load()));
        assert!(!gate.stop());
    }

    #[test]
    fn gate_pulse_then_differs_from_every_earlier_value() {
        let gate = Gate::closed();
        let mut seen = vec![gate.load()];
        for _ in 0..100 {
            assert!(gate.start());
            assert!(!gate.start(), "an open gate is not started again");
            seen.push(gate.load());
            assert!(gate.stop());
            seen.push(gate.load());
        }
        let count = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), count);
    }

    #[test]
    fn gate_wraps_then_never_closes_to_zero() {
        let gate = Gate(AtomicU32::new(u32::MAX - 1));
        assert!(gate.start());
        gate.stop();
        assert_ne!(gate.load(), 0);
    }
}
