//! Frames that are submitted while their client fills them.

use std::sync::atomic::{AtomicU64, Ordering};

use onair_ipc::caller::{Deadline, LoanGuard, Refusal};
use onair_ipc::lender::{FoundState, Submission};

use crate::rig::Session;
use crate::words;

fn submitted(session: &mut Session) -> Vec<Submission> {
    let mut all = vec![];
    session.lender.collect(|it| all.push(it));
    all
}

/// A session with frame 2, and its client's guard of it.
fn sending() -> Session {
    let mut session = Session::sending();
    session.publish([2]);
    session
}

fn taken(client: &onair_ipc::caller::Attachment) -> LoanGuard<'_> {
    client.take(Deadline::Now).unwrap()
}

const OPENED: Submission = Submission {
    frame: 2,
    order: 1,
    open: Some(1),
};

#[test]
fn open_frame_then_reported_once_and_on_loan_until_it_is_put() {
    let mut session = sending();
    let client = session.client.clone();
    let held = taken(&client);
    assert_eq!(submitted(&mut session), [], "not submitted yet");
    held.submit_open().unwrap();
    assert_eq!(submitted(&mut session), [OPENED]);
    for progress in [0, 7, 1000] {
        held.reach(progress);
        assert_eq!(session.lender.progress(2, 1), progress);
        assert_eq!(submitted(&mut session), []);
        assert_eq!((session.lender.loaned(), client.held()), (1, 1));
    }
    held.put().unwrap();
    assert_eq!(submitted(&mut session), [], "it was sent already");
    assert_eq!(session.lender.returned(), 1);
    assert_eq!(session.lender.progress(2, 1), 1000);
}

#[test]
fn open_frame_put_before_it_is_seen_then_one_submission() {
    let mut session = sending();
    let client = session.client.clone();
    let held = taken(&client);
    held.submit_open().unwrap();
    held.reach(5);
    drop(held);
    assert_eq!(submitted(&mut session), [OPENED]);
    assert_eq!(session.lender.loaned(), 0);
    assert_eq!(session.lender.progress(2, 1), 5);
}

#[test]
fn open_frame_lent_anew_then_old_progress_counts_for_nothing() {
    let mut session = sending();
    let client = session.client.clone();
    let held = taken(&client);
    held.submit_open().unwrap();
    held.reach(9);
    drop(held);
    submitted(&mut session);
    session.publish([2]);
    let held = taken(&client);
    assert_eq!(submitted(&mut session), []);
    assert_eq!(session.lender.progress(2, 2), 0);
    held.submit().unwrap();
    let whole = Submission {
        order: 2,
        open: None,
        ..OPENED
    };
    assert_eq!(submitted(&mut session), [whole]);
}

#[test]
fn open_frame_of_a_dead_process_or_evicted_then_credited_once() {
    for evicted in [false, true] {
        let mut session = sending();
        let client = session.client.clone();
        let held = taken(&client);
        held.submit_open().unwrap();
        assert_eq!(submitted(&mut session), [OPENED]);
        if evicted {
            let mut found = vec![];
            session.lender.revoke(|it| found.push((it.frame, it.found)));
            assert_eq!(found, [(2, FoundState::Held)]);
            assert_eq!(held.submit_open(), Err(Refusal::Stale));
        } else {
            assert_eq!(session.lender.credit_dead_process(), [2]);
        }
        drop(held);
        assert_eq!(session.lender.credit_dead_process(), [0; 0]);
        assert_eq!(submitted(&mut session), []);
    }
}

#[test]
fn open_frame_after_a_stop_then_the_drain_waits_for_it() {
    let mut session = sending();
    let client = session.client.clone();
    let held = taken(&client);
    held.submit_open().unwrap();
    session.memory.stop();
    session.memory.arm_kick();
    session.lender.settle(|credit| panic!("{credit:?}"));
    assert_eq!(session.lender.loaned(), 1);
    held.reach(1);
    held.put().unwrap();
    assert!(session.pair.is_kicked());
    session.lender.settle(|_| ());
    assert_eq!(session.lender.loaned(), 0);
}

#[test]
fn open_frame_opened_again_then_its_first_place_counts() {
    let mut session = sending();
    let client = session.client.clone();
    let held = taken(&client);
    assert!(!held.is_open());
    held.submit_open().unwrap();
    assert!(held.is_open());
    assert_eq!(held.submit_open(), Err(Refusal::Already));
    held.submit().unwrap();
    assert_eq!(session.lender.progress(2, 1), u32::MAX, "all of it");
    let [credit] = submitted(&mut session)[..] else {
        panic!("one frame");
    };
    assert_eq!((credit.order, credit.open), (1, Some(1)));

    let mut receiving = Session::receiving();
    receiving.publish([2]);
    let held = taken(&receiving.client);
    assert_eq!(held.submit_open(), Err(Refusal::Invalid));
}

#[test]
fn open_words_scribbled_then_reported_at_most_once() {
    let mut session = sending();
    let client = session.client.clone();
    let held = taken(&client);
    let fill: &AtomicU64 = words(&client).at(session.memory.geometry().seg_progress() + 2 * 8);
    for hostile in [0, 1 << 32 | 5, u64::MAX, 2 << 32, 1 << 32 | 0xffff_ffff] {
        fill.store(hostile, Ordering::SeqCst);
        assert_eq!(submitted(&mut session), [], "no order was written");
    }
    // A word that says that it is open already would be believed: the client's own.
    fill.store(0, Ordering::SeqCst);
    held.submit_open().unwrap();
    let mut reports = 0;
    for hostile in [0, 1 << 32 | 5, u64::MAX, 2 << 32, 1 << 32 | 0xffff_ffff, 3] {
        fill.store(hostile, Ordering::SeqCst);
        reports += submitted(&mut session).len();
        let is_its = hostile >> 32 == 1;
        let progress = u32::try_from(hostile & 0xffff_ffff).unwrap();
        let expected = if is_its { progress } else { 0 };
        assert_eq!(session.lender.progress(2, 1), expected);
    }
    assert_eq!(reports, 1);
    assert_eq!(session.lender.progress(u32::MAX, 1), 0);
}
