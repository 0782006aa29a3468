//! Attachments that end: their process leaves, or the daemon dies.

use std::time::Duration;

use onair_ipc::caller::{Deadline, Refusal};
use onair_ipc::pins::End;

use crate::rig::Session;
use crate::rig::threads::{Sleeper, is_readable, until};

#[test]
fn leave_late_callers_then_stale() {
    let session = Session::receiving();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let client = session.client.clone();
            std::thread::spawn(move || {
                loop {
                    match client.get(Deadline::Now) {
                        Err(Refusal::Stale) => return,
                        Err(Refusal::TimedOut) => {}
                        other => panic!("{other:?}"),
                    }
                }
            })
        })
        .collect();
    until("callers run", || !session.memory.slots().is_empty());
    session.client.leave(End::ByHand);
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn leave_sleepers_and_watch_then_all_return_at_once() {
    let session = Session::receiving();
    let client = &session.client;
    let watch = client.watch().unwrap();
    session.memory.stop();
    let waiters = [(); 4].map(|()| {
        let client = client.clone();
        Sleeper::start(move || client.wait_started(Deadline::Never))
    });
    waiters.iter().for_each(Sleeper::until_asleep);
    assert_eq!(client.callers(), 0, "a waiter for a start is no user");
    client.leave(End::ByHand);
    for waiter in waiters {
        assert_eq!(waiter.join(), Err(Refusal::Stale));
    }
    drop(watch);
    assert_eq!(client.get(Deadline::Never), Err(Refusal::Stale));
    assert_eq!(client.callers(), 0);
}

/// The kernel may take the memory of a killed daemon before its robust list (out-of-memory killer,
/// process_mrelease(2)): then no life word is marked, and only the connection shows it.
#[test]
fn daemon_gone_without_marking_words_then_the_connection_tells() {
    for stopped in [false, true] {
        let session = Session::receiving();
        let (client, memory) = (session.client.clone(), session.memory.clone());
        if stopped {
            memory.stop();
        }
        let watch = client.watch().unwrap();
        watch.clear();
        let callers: Vec<_> = (0..4)
            .map(|i| {
                let client = client.clone();
                std::thread::spawn(move || match (stopped, i % 2) {
                    (true, _) => client.wait_started(Deadline::Never).unwrap_err(),
                    (false, 0) => client.get(Deadline::Never).map(|_| ()).unwrap_err(),
                    (false, _) => client.poll_event(Deadline::Never, None).unwrap_err(),
                })
            })
            .collect();
        if !stopped {
            until("they are inside", || memory.users().len() == 4);
        }
        drop(session.pair);
        until("they have returned", || {
            callers.iter().all(|it| it.is_finished())
        });
        for caller in callers {
            assert_eq!(caller.join().unwrap(), Refusal::Stale);
        }
        assert!(is_readable(&watch, Duration::from_secs(10)));
        if !stopped {
            for deadline in [Deadline::Now, Deadline::after_ms(5), Deadline::Never] {
                assert_eq!(client.get(deadline), Err(Refusal::Stale), "{deadline:?}");
            }
        }
        assert_eq!(client.wait_started(Deadline::Never), Err(Refusal::Stale));
        assert!(client.is_service_ending());
    }
}

/// A caller that never sleeps as long as the backstop is notified, too.
#[test]
fn daemon_gone_without_marking_words_then_a_timeout_tells() {
    let session = Session::receiving();
    let client = session.client.clone();
    let get = || client.get(Deadline::after_ms(5));
    assert_eq!(get(), Err(Refusal::TimedOut));
    drop(session.pair);
    until("a time-out tells", || get() == Err(Refusal::Stale));
}
