//! Slot: a thread that claims a slot continues its last owner's count. SYNC: slot-claim.

use loom::sync::atomic::{AtomicU32, Ordering};
use onair_ipc::slot::{Operation, Slot};

use crate::harness::{beside, holds, mutants};

const STALE: &str = "counts from a stale value";

/// One thread makes a call and frees its slot; another claims it and makes a call.
fn hand_over() {
    let slot = Slot::vacant();
    assert!(slot.claim(1, 0));
    let owner = |slot: &Slot| {
        slot.enter(Operation::Get, true);
        slot.exit(true);
        slot.vacate();
    };
    beside(slot, owner, |slot| {
        if slot.claim(2, 0) {
            slot.enter(Operation::Get, true);
            assert_eq!(slot.read(0).count, 1, "{STALE}");
        }
    });
}

#[test]
fn slot_claimed_from_another_thread_then_counted_once() {
    holds(hand_over);
}

/// The same on a copy: the fence of the call before would hide a weaker store.
fn copied(vacate: Ordering) {
    let shared = (AtomicU32::new(1), AtomicU32::new(0));
    let owner = move |(owner, count): &(AtomicU32, AtomicU32)| {
        count.store(1, Ordering::Relaxed);
        count.store(0, Ordering::Release);
        owner.store(0, vacate);
    };
    beside(shared, owner, |(owner, count)| {
        let claimed = owner.compare_exchange(0, 2, Ordering::Acquire, Ordering::Relaxed);
        if claimed.is_ok() {
            assert_eq!(count.load(Ordering::Relaxed), 0, "{STALE}");
        }
    });
}

#[test]
fn slot_copy_then_counted_once() {
    holds(|| copied(Ordering::Release));
}

mutants! {
    slot_mutant_claim_relaxed_then_caught by "slot: claimed relaxed": hand_over() => STALE;
    slot_mutant_vacate_relaxed_then_caught: copied(Ordering::Relaxed) => STALE;
}
