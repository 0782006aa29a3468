//! Slots: reclaimed ones, and more threads than slots.

use std::sync::atomic::{AtomicU32, Ordering};

use onair_ipc::caller::{Deadline, Refusal};
use onair_ipc::layout::{self, OWN_SLOTS};
use onair_ipc::slot::{Operation, Slot};

use crate::rig::Session;
use crate::rig::threads::{callers, join_stopped, until};
use crate::words;

#[test]
fn slot_that_was_reclaimed_and_claimed_again_then_untouched() {
    let session = Session::receiving();
    let memory = &session.memory;
    let mut inside = callers(&session.client, 1);
    until("the caller is inside", || memory.users().len() == 1);
    let seen = memory.users()[0];
    // Simulated: the thread lives, and its slot is emptied as if it were dead.
    assert!(memory.reclaim_slot(&seen));
    assert!(!memory.reclaim_slot(&seen), "once");
    inside.extend(callers(&session.client, 1));
    until("another has the slot", || {
        memory.users().iter().any(|slot| slot.index == seen.index)
    });
    assert!(!memory.reclaim_slot(&seen), "another thread's");
    assert_eq!(memory.users()[0].count, 1);
    session.stop();
    join_stopped(inside);
}

#[test]
fn threads_more_than_slots_then_shared_slot_and_slots_come_back() {
    let session = Session::receiving();
    let memory = &session.memory;
    let count = usize::from(OWN_SLOTS) + 8;
    let inside = callers(&session.client, count);
    until("all are inside", || {
        memory.users().iter().map(|s| s.count).sum::<u32>() as usize == count
    });
    session.stop();
    join_stopped(inside);
    assert!(memory.users().is_empty());
    assert!(memory.slots().is_empty(), "all slots are vacant again");
}

#[test]
fn get_in_the_shared_slot_bounces_then_stop_is_unacknowledged() {
    let session = Session::receiving();
    let memory = &session.memory;
    let words = words(&session.client);
    let slots = words.slice::<Slot>(memory.geometry().seg_slots(), usize::from(OWN_SLOTS) + 1);
    let (shared, own) = slots.split_last().unwrap();
    // All slots but the shared one have an owner.
    assert!(own.iter().all(|slot| slot.claim(1, 1)));
    let claimed: &AtomicU32 = words.at(layout::SEG_SLOTS_HIGH);
    claimed.store(u32::from(OWN_SLOTS), Ordering::SeqCst);
    // Another thread is inside: a stop would wake one that sleeps.
    shared.enter(Operation::Get, false);
    memory.stop();
    assert_eq!(session.client.slot_of_caller(), OWN_SLOTS);
    assert_eq!(session.client.get(Deadline::Now), Err(Refusal::Again));
    let read = memory.slots().into_iter().find(|it| it.index == OWN_SLOTS);
    let read = read.expect("it counts the other thread");
    assert_ne!(read.ack, memory.session_gate());
    shared.exit(false);
}
