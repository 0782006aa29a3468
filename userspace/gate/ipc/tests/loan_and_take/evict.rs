//! The daemon takes every loan back.

use std::sync::atomic::Ordering;

use onair_ipc::caller::{Attachment, Deadline, Refusal};
use onair_ipc::lender::{FoundState, Lender};
use onair_ipc::memory::AttachmentState;
use onair_ipc::meta::FrameMeta;

use crate::frame_word;
use crate::rig::Session;

/// Takes and returns frames until the attachment has ended. Returns the frames whose put failed.
fn take_and_put(client: &Attachment) -> Vec<u32> {
    let mut failed = vec![];
    loop {
        match client.get(Deadline::Never) {
            Ok(lease) => {
                let frame = lease.frame();
                match client.put(lease) {
                    Ok(()) => {}
                    Err(Refusal::Stale) => failed.push(frame),
                    Err(other) => panic!("{other}"),
                }
            }
            Err(refusal) => {
                assert_eq!(refusal, Refusal::Stale);
                return failed;
            }
        }
    }
}

/// Loans returned frames again.
fn loan_again(lender: &mut Lender) {
    lender.reap(|_| {});
    for frame in 0..4 {
        if !lender.has(frame) {
            lender.publish(frame, &FrameMeta::default()).unwrap();
        }
    }
}

/// A client's threads and an eviction change the same words at the same time: in every outcome each
/// loan is credited once, and a frame whose put failed is one that the daemon knows to be held.
#[test]
fn evicted_amid_get_and_put_then_each_loan_is_credited_once() {
    for round in 0..300_u32 {
        let mut session = Session::receiving();
        session.publish(0..4);
        let mut taken = vec![];
        let mut failed: Vec<u32> = std::thread::scope(|scope| {
            let client = &*session.client;
            let callers = [(); 4].map(|()| scope.spawn(move || take_and_put(client)));
            for _ in 0..round % 50 {
                loan_again(&mut session.lender);
            }
            let loaned: Vec<u32> = session.lender.loans().map(|loan| loan.frame).collect();
            session.memory.set_state(AttachmentState::Revoked);
            session.memory.stop();
            while session.memory.wake_some(64) {}
            session.lender.revoke(|revoked| taken.push(revoked));
            let frames: Vec<u32> = taken.iter().map(|it| it.frame).collect();
            assert_eq!(frames, loaned, "each once, and no other");
            let callers = callers.into_iter();
            callers.flat_map(|caller| caller.join().unwrap()).collect()
        });
        let held = taken.iter().filter(|it| it.found == FoundState::Held);
        let mut held: Vec<u32> = held.map(|it| it.frame).collect();
        held.sort_unstable();
        failed.sort_unstable();
        assert_eq!(
            failed, held,
            "a put fails exactly where the daemon found it held"
        );
        let lender = &mut session.lender;
        assert_eq!(lender.loaned(), 0);
        lender.reap(|credit| panic!("{credit:?} after all was taken back"));
        lender.revoke(|again| panic!("{again:?} a second time"));
        assert!(lender.take_violation().is_none());
    }
}

#[test]
fn evicted_hostile_words_then_treated_as_held_and_nothing_else() {
    let mut session = Session::receiving();
    session.publish(0..4);
    // Nothing, an unknown state, a return under another serial, and a return under the right
    // serial.
    let values = [0, 1 << 32 | 0xff, 77 << 32 | 3, 4 << 32 | 3];
    for (frame, value) in values.into_iter().enumerate() {
        frame_word(&session.client, frame).store(value, Ordering::SeqCst);
    }
    let mut found = vec![];
    session.lender.revoke(|revoked| found.push(revoked.found));
    let expected = [
        FoundState::Held,
        FoundState::Held,
        FoundState::Held,
        FoundState::Returned,
    ];
    assert_eq!(found, expected);
    assert_eq!(session.lender.loaned(), 0);
    assert_eq!(session.client.get(Deadline::Now), Err(Refusal::TimedOut));
}

#[test]
fn evicted_held_returned_and_unread_then_each_is_found_so() {
    let mut session = Session::receiving();
    session.publish(0..3);
    let client = session.client.clone();
    let held = client.get(Deadline::Now).unwrap();
    let returned = client.get(Deadline::Now).unwrap().into_raw();
    returned.put(&client).unwrap();
    let mut taken = vec![];
    session.lender.revoke(|it| taken.push((it.frame, it.found)));
    let expected = [
        (0, FoundState::Held),
        (1, FoundState::Returned),
        (2, FoundState::Unread),
    ];
    assert_eq!(taken, expected);
    // The gates are open: only the word refuses.
    assert_eq!(client.put(held), Err(Refusal::Stale));
    assert_eq!(returned.put(&client), Err(Refusal::Stale));
    assert_eq!(client.get(Deadline::Now), Err(Refusal::TimedOut));
    assert_eq!(client.held(), 0);
}
