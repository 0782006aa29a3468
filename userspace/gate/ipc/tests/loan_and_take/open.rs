//! Frames that are taken while they are received.

use std::sync::Arc;

use onair_ipc::caller::{Deadline, OwnedLoan, Refusal};
use onair_ipc::meta::FrameMeta;

use crate::rig::Session;
use crate::rig::threads::Sleeper;

/// The calls that fail say why; the others have the bytes that stand, if the frame has not ended.
type Stand = Result<Option<u32>, Refusal>;

/// A session whose client has asked for frames that are received.
fn session() -> Session {
    let mut session = Session::receiving();
    let none = session.client.take_open(1, Deadline::Now).map(|_| ());
    assert_eq!(none, Err(Refusal::TimedOut));
    assert!(session.lender.ask_for_open());
    session
}

fn open(session: &mut Session, frame: u32) {
    let all = FrameMeta {
        bytes_missing: 1000,
        ..FrameMeta::default()
    };
    session.lender.publish_open(frame, &all).unwrap();
}

fn end(session: &mut Session, frame: u32) {
    let meta = FrameMeta {
        number: 7,
        ..FrameMeta::default()
    };
    assert!(session.lender.end_open(frame, &meta));
}

/// A thread that takes a frame of which so many bytes stand, asleep.
fn taker(session: &Session, bytes: u32) -> Sleeper<Result<OwnedLoan, Refusal>> {
    let client = session.client.clone();
    let sleeper = Sleeper::start(move || client.take_open_owned(bytes, Deadline::Never, None));
    sleeper.until_asleep();
    sleeper
}

/// A thread that waits for more of a frame, asleep.
fn waiter(loan: &Arc<OwnedLoan>, bytes: u32) -> Sleeper<Stand> {
    let loan = Arc::clone(loan);
    let sleeper = Sleeper::start(move || loan.wait_bytes(bytes, Deadline::Never, None));
    sleeper.until_asleep();
    sleeper
}

#[test]
fn open_frame_then_taken_when_its_first_bytes_stand() {
    let mut session = session();
    let taker = taker(&session, 100);
    open(&mut session, 3);
    session.lender.advance(3, 99);
    taker.until_asleep();
    session.frames.write(3, 0, &[5; 120]);
    session.lender.advance(3, 120);
    let loan = Arc::new(taker.join().unwrap());
    assert_eq!((loan.frame(), loan.open_bytes()), (3, Some(120)));
    assert_eq!(loan.bytes(), [5; 120], "and nothing that may change");
    assert!(!loan.meta().is_complete());
    let waiters = [500, 400, 1000].map(|bytes| waiter(&loan, bytes));
    session.lender.advance(3, 600);
    let [first, second, third] = waiters;
    assert_eq!([first, second].map(Sleeper::join), [Ok(Some(600)); 2]);
    third.until_asleep();
    end(&mut session, 3);
    assert_eq!(third.join(), Ok(None));
    assert_eq!((loan.bytes().len(), loan.meta().number), (1000, 7));
    assert_eq!(loan.wait_bytes(2000, Deadline::Now, None), Ok(None));
}

#[test]
fn open_frame_then_other_calls_wait_for_its_end() {
    let mut session = session();
    open(&mut session, 1);
    session.lender.advance(1, 900);
    assert_eq!(session.client.get(Deadline::Now), Err(Refusal::TimedOut));
    let whole = Sleeper::<()>::call(&session.client);
    end(&mut session, 1);
    assert_eq!(whole.join().unwrap().frame(), 1);
}

#[test]
fn frame_behind_an_open_one_then_taken_first_and_both_once() {
    let mut session = session();
    open(&mut session, 1);
    session.publish([2]);
    let taken = [(); 2].map(|()| {
        session
            .client
            .take_open(10, Deadline::Now)
            .map(|it| it.keep().frame())
    });
    assert_eq!(taken, [Ok(2), Err(Refusal::TimedOut)]);
    session.lender.advance(1, 10);
    assert_eq!(
        session.client.take_open(10, Deadline::Now).unwrap().frame(),
        1
    );
    session.publish([4]);
    assert_eq!(session.client.get(Deadline::Now).unwrap().frame(), 4);
}

/// A session of whose open frame 2 the first 50 bytes stand, and are taken.
fn half_taken() -> (Session, Arc<OwnedLoan>) {
    let mut session = session();
    open(&mut session, 2);
    session.frames.write(2, 0, &[9; 50]);
    session.lender.advance(2, 50);
    let loan = session.client.take_open_owned(50, Deadline::Now, None);
    (session, Arc::new(loan.unwrap()))
}

#[test]
fn stop_amid_an_open_frame_then_again_and_it_stays_readable() {
    let (mut session, loan) = half_taken();
    open(&mut session, 3);
    let sleepers = (waiter(&loan, 60), taker(&session, 10));
    session.stop();
    assert_eq!(sleepers.0.join(), Err(Refusal::Again));
    assert_eq!(sleepers.1.join().map(|_| ()), Err(Refusal::Again));
    assert_eq!(loan.bytes(), [9; 50]);
    session.lender.settle(|_| {});
    // The other was taken back. This one has ended as it was, and its description says that it is not complete.
    assert_eq!((session.lender.loaned(), loan.open_bytes()), (1, None));
    assert_eq!(
        (&loan.bytes()[..50], loan.meta().is_complete()),
        (&[9; 50][..], false)
    );
    let loan = Arc::into_inner(loan).unwrap();
    assert_eq!(loan.put(), Ok(()));
}

#[test]
fn evict_amid_an_open_frame_then_stale_and_it_stays_readable() {
    let (mut session, loan) = half_taken();
    let sleeper = waiter(&loan, 60);
    session
        .memory
        .set_state(onair_ipc::memory::AttachmentState::Revoked);
    session.stop();
    let mut found = None;
    session.lender.revoke(|revoked| found = Some(revoked.found));
    assert_eq!(sleeper.join(), Err(Refusal::Stale));
    assert_eq!(found, Some(onair_ipc::lender::FoundState::Held));
    assert_eq!(loan.bytes(), [9; 50]);
}

#[test]
fn raw_handle_of_an_open_frame_then_waits_until_it_is_put() {
    let mut session = session();
    open(&mut session, 2);
    session.lender.advance(2, 50);
    let client = &session.client;
    let raw = client
        .take_open(50, Deadline::Now)
        .unwrap()
        .keep()
        .into_raw();
    assert_eq!(raw.open_bytes(client), Ok(Some(50)));
    assert_eq!(
        raw.wait_bytes(client, 60, Deadline::Now),
        Err(Refusal::TimedOut)
    );
    assert_eq!(raw.wait_bytes(client, 50, Deadline::Now), Ok(Some(50)));
    raw.put(client).unwrap();
    assert_eq!(
        raw.wait_bytes(client, 50, Deadline::Now),
        Err(Refusal::Already)
    );
}

#[test]
fn descriptor_amid_an_open_frame_then_readable_when_it_stands() {
    let mut session = session();
    open(&mut session, 1);
    assert!(session.client.take_open(40, Deadline::Now).is_err());
    assert!(!session.client.has_something());
    session.lender.advance(1, 39);
    assert!(!session.client.has_something());
    session.lender.advance(1, 40);
    assert!(session.client.has_something());
}
