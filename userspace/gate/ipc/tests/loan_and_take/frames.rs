//! Frames: published, taken, returned, submitted.

use std::sync::atomic::{AtomicU32, Ordering};

use onair_ipc::caller::{Deadline, Refusal};
use onair_ipc::fence::Fence;
use onair_ipc::layout::{self, OWN_SLOTS};
use onair_ipc::lender::QuotaUsed;
use onair_ipc::meta::FrameMeta;
use onair_ipc::slot::{NO_INTENT, Operation, Slot};

use crate::rig::Session;
use crate::rig::threads::{callers, join_stopped, until};
use crate::{frame_word, words};

#[test]
fn get_published_then_contents_meta_and_credit() {
    let mut session = Session::receiving();
    let client = session.client.clone();
    for round in 0..100_u32 {
        let frame = round % 6;
        session.frames.write(frame, 3, &round.to_le_bytes());
        let meta = FrameMeta {
            number: round.into(),
            bytes_missing: round % 2,
            media_time_ns: u64::MAX - u64::from(round),
            ..FrameMeta::default()
        };
        session.lender.publish(frame, &meta).unwrap();
        let lease = client.get(Deadline::Now).unwrap();
        assert_eq!(lease.frame(), frame);
        assert_eq!(client.meta(&lease), meta);
        let lease = lease.into_raw();
        assert_eq!(lease.meta(&client), Ok(meta));
        // SAFETY: the frame is held, and lies within the mapping.
        let seen = unsafe { std::slice::from_raw_parts(client.frame_base(frame).add(3), 4) };
        assert_eq!(seen, round.to_le_bytes());
        lease.put(&client).unwrap();
        assert_eq!(lease.put(&client), Err(Refusal::Already));
        let mut credited = vec![];
        session.lender.reap(|credit| credited.push(credit.frame));
        assert_eq!(credited, [frame]);
        assert_eq!(lease.put(&client), Err(Refusal::Already));
    }
    assert_eq!(client.get(Deadline::Now), Err(Refusal::TimedOut));
}

#[test]
fn publish_quota_used_then_refused_until_the_oldest_is_dropped() {
    let mut session = Session::receiving();
    session.publish(0..4);
    let more = session.lender.publish(4, &FrameMeta::default());
    assert_eq!(more, Err(QuotaUsed));
    let held = session.client.get(Deadline::Now).unwrap();
    assert_eq!(held.frame(), 0);
    assert_eq!(session.lender.drop_oldest(), Some(1), "0 is held");
    session.publish([4]);
    for expected in [2, 3, 4] {
        let lease = session.client.get(Deadline::Now).unwrap();
        assert_eq!(lease.frame(), expected);
    }
    assert_eq!(session.lender.drop_oldest(), None, "all are held");
}

#[test]
fn put_after_stop_then_works_and_kicks() {
    let mut session = Session::receiving();
    session.publish([2]);
    let lease = session.client.get(Deadline::Now).unwrap();
    session.memory.stop();
    let _ = Fence::with_kicks(std::iter::once(&*session.memory));
    session.lender.settle(|_| ());
    let counts = |session: &Session| (session.lender.loaned(), session.lender.returned());
    assert_eq!(counts(&session), (1, 0), "held");
    session.client.put(lease).unwrap();
    assert!(session.pair.is_kicked());
    session.lender.settle(|_| ());
    assert_eq!(counts(&session), (0, 1));
}

#[test]
fn words_cleared_behind_a_caller_then_ledger_and_reap_are_right() {
    let mut session = Session::receiving();
    session.publish([1]);
    let client = session.client.clone();
    let _held = client.get(Deadline::Now).unwrap();
    for hostile in [0, u64::MAX, 0xff, 1 << 32 | 3, 2 << 32 | 3] {
        frame_word(&client, 1).store(hostile, Ordering::SeqCst);
        session.lender.reap(|_| ());
    }
    // `1 << 32 | 3` was RELEASED under the right serial: that is a put. The others were not.
    assert_eq!(session.lender.loaned(), 0);
    assert!(session.lender.take_violation().is_some());
}

#[test]
fn submit_several_then_credited_with_their_order() {
    let mut session = Session::sending();
    session.publish(0..3);
    let client = session.client.clone();
    let [first, second, third] = [(); 3].map(|()| client.get(Deadline::Now).unwrap());
    client.submit(third).unwrap();
    client.submit(first).unwrap();
    client.put(second).unwrap();
    let mut order = vec![];
    let credits = |credit: onair_ipc::lender::Credit| order.push((credit.frame, credit.submitted));
    session.lender.reap(credits);
    order.sort_unstable();
    assert_eq!(order, [(0, Some(2)), (1, None), (2, Some(1))]);
}

#[test]
fn guard_dropped_kept_or_submitted_then_on_loan_while_held() {
    let mut session = Session::sending();
    let client = session.client.clone();
    session.publish([2]);
    let mut held = client.take(Deadline::Now).unwrap();
    assert_eq!((held.len(), held.frame()), (1000, 2));
    held.bytes_mut().unwrap().fill(7);
    assert_eq!(client.held(), 1);
    held.submit().unwrap();
    let mut seen = [0; 1000];
    session.frames.read(2, 0, &mut seen);
    assert_eq!(seen, [7; 1000]);
    let is_first = |credit: onair_ipc::lender::Credit| assert_eq!(credit.submitted, Some(1));
    session.lender.reap(is_first);

    session.publish([3]);
    let lease = client.take(Deadline::Now).unwrap().keep();
    assert_eq!(client.held(), 1);
    client.put(lease).unwrap();
    session.lender.reap(|_| ());
    session.publish([4]);
    drop(client.take(Deadline::Now).unwrap());
    assert_eq!(client.held(), 0);
}

#[test]
fn guard_in_a_receive_session_then_not_writable() {
    let mut session = Session::receiving();
    session.frames.write(1, 0, &[9; 1000]);
    session.publish([1]);
    let mut held = session.client.take(Deadline::Now).unwrap();
    assert!(held.bytes_mut().is_none());
    assert_eq!(held.bytes(), [9; 1000]);
}

/// The intent in this thread's slot.
fn intent(session: &Session) -> u64 {
    let index = session.client.slot_of_caller();
    let slots = session.memory.slots();
    let slot = slots.iter().find(|slot| slot.index == index);
    slot.unwrap().intent
}

#[test]
fn get_with_a_frame_held_and_looking_again_then_no_intent() {
    let mut session = Session::receiving();
    session.publish([3]);
    let client = session.client.clone();
    let held = client.get(Deadline::Now).unwrap();
    assert_eq!(intent(&session), u64::from(held.serial()) << 32 | 3);
    // The head may go back: the entry of the held frame is checked again.
    let head: &std::sync::atomic::AtomicU64 = words(&client).at(layout::SEG_HEAD);
    head.store(0, Ordering::SeqCst);
    assert_eq!(client.get(Deadline::Now), Err(Refusal::TimedOut));
    assert_eq!(head.load(Ordering::SeqCst), 1);
    // Otherwise the exit of this thread inside the call would take the delivered frame from the
    // process.
    assert_eq!(intent(&session), NO_INTENT);
    assert_eq!(client.get(Deadline::Now), Err(Refusal::TimedOut));
    assert_eq!(intent(&session), NO_INTENT);
    client.put(held).unwrap();
}

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
