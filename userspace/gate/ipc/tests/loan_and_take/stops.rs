//! Stops, drains and time-outs of blocked callers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use onair_ipc::caller::{Deadline, Refusal};
use onair_ipc::fence::Fence;
use onair_ipc::memory::AttachmentState;

use crate::rig::Session;
use crate::rig::threads::{Sleeper, callers, join_stopped, until};

#[test]
fn stop_blocked_callers_then_each_returns_again_once_per_pulse() {
    let session = Session::receiving();
    let memory = &session.memory;
    let seen: Arc<Vec<AtomicUsize>> = Arc::new((0..8).map(|_| AtomicUsize::new(0)).collect());
    let threads: Vec<_> = (0..8)
        .map(|i| {
            let (client, seen) = (session.client.clone(), seen.clone());
            std::thread::spawn(move || {
                loop {
                    match client.get(Deadline::Never) {
                        Err(Refusal::Again) => {
                            seen[i].fetch_add(1, Ordering::SeqCst);
                            let _ = client.wait_started(Deadline::Never);
                        }
                        Err(Refusal::Stale) => return,
                        other => panic!("{other:?}"),
                    }
                }
            })
        })
        .collect();
    for pulse in 1..=200 {
        until("eight callers are inside", || {
            memory.users().iter().filter(|slot| slot.count > 0).count() == 8
        });
        // Asleep or about to be: either way the pulse must reach each of them.
        memory.stop();
        memory.start();
        while memory.wake_some(64) {}
        until("each saw the pulse", || {
            seen.iter().all(|n| n.load(Ordering::SeqCst) == pulse)
        });
    }
    memory.set_state(AttachmentState::Gone);
    session.stop();
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn drain_last_caller_leaves_then_kicked_and_no_user() {
    let session = Session::receiving();
    let memory = &session.memory;
    let caller = callers(&session.client, 1);
    until("the caller is inside", || memory.users().len() == 1);
    memory.stop();
    let fence = Fence::with_kicks(std::iter::once(&**memory));
    let inside = memory.users_at(&fence).len();
    while memory.wake_some(64) {}
    join_stopped(caller);
    assert!(inside == 0 || session.pair.is_kicked());
    assert!(memory.users().is_empty());
    assert_eq!(session.client.get(Deadline::Never), Err(Refusal::Again));
    assert!(memory.users().is_empty(), "a bounced caller is no user");
}

#[test]
fn get_timeout_then_timed_out_and_not_before() {
    let session = Session::receiving();
    let start = Instant::now();
    let taken = session.client.get(Deadline::after_ms(30));
    assert_eq!(taken, Err(Refusal::TimedOut));
    assert!(start.elapsed() >= Duration::from_millis(30));
}

#[test]
fn stop_of_callers_that_wait_for_a_start_then_each_returns() {
    // Each round would take a second if only the backstop ended it.
    let start = Instant::now();
    let session = Session::receiving();
    let client = &session.client;
    for _ in 0..40 {
        session.memory.stop();
        let waiters = [(); 2].map(|()| {
            let client = client.clone();
            Sleeper::start(move || client.wait_started(Deadline::Never))
        });
        waiters.iter().for_each(Sleeper::until_asleep);
        client.stop();
        for waiter in waiters {
            assert_eq!(waiter.join(), Err(Refusal::Again));
        }
        // Also one that calls later, whatever the session does.
        session.memory.start();
        assert_eq!(client.wait_started(Deadline::Never), Err(Refusal::Again));
        client.start();
        assert_eq!(client.wait_started(Deadline::Now), Ok(()));
    }
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[test]
fn wait_started_session_ends_while_stopped_then_stale_at_once() {
    // Each round would take a second if only the backstop ended it.
    let start = Instant::now();
    for _ in 0..40 {
        let session = Session::receiving();
        session.memory.stop();
        let client = session.client.clone();
        let waiter = Sleeper::start(move || client.wait_started(Deadline::Never));
        waiter.until_asleep();
        session.memory.set_state(AttachmentState::Gone);
        assert_eq!(waiter.join(), Err(Refusal::Stale));
    }
    assert!(start.elapsed() < Duration::from_secs(20));
}
