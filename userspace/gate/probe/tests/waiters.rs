//! The list of blocked callers: with more callers than the map has room for, and more than the
//! kernel returns at once.

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in test functions, not in their helpers"
)]

mod common;

use std::sync::atomic::{AtomicBool, Ordering};

use common::{Client, SESSION, config, introduce, probe, registered, stat, until};
use onair_probe::Probe;

#[test]
fn waiters_more_than_places_then_lost_until_they_leave() {
    let mut config = config();
    config.max_waiters = 4;
    let probe = Probe::start(config).unwrap();
    let (mut client, _armed, _) = registered(&probe, 1);
    client.block(SESSION, 1, 10);
    let reading = probe.reading(SESSION).unwrap();
    let (listed, lost) = (reading.blocked.len() as u64, reading.lost);
    assert!(
        lost > 0 && listed + lost == 10,
        "{listed} listed, {lost} lost"
    );
    assert_eq!(
        (reading.users(), probe.health().lost, stat(&probe, "full")),
        (10, lost, lost)
    );
    // One that was lost, or listed, by its death: the sum follows.
    for inside in (0..10).rev() {
        client.ask("exit-inside 0");
        until("one less", || {
            (probe.reading(SESSION).unwrap().users() == inside).then_some(())
        });
    }
    assert_eq!(probe.reading(SESSION).unwrap().lost, 0);
}

/// Ends the threads that check the flag, also when a test fails.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn waiters_hundreds_come_and_go_then_each_is_listed_once() {
    const MANY: usize = 700;
    let probe = probe();
    let (mut steady, mut restless) = (Client::start(), Client::start());
    let (_armed, proof) = introduce(&probe, &mut steady).unwrap();
    probe.register(&proof, SESSION, 1, 0).unwrap();
    let (_other, other) = introduce(&probe, &mut restless).unwrap();
    probe.register(&other, SESSION, 2, 0).unwrap();
    let mut tids = steady.block(SESSION, 1, MANY);
    tids.sort_unstable();
    let done = AtomicBool::new(false);
    let rounds = std::thread::scope(|scope| {
        let churn = scope.spawn(|| {
            let mut rounds = 0;
            while !done.load(Ordering::Relaxed) {
                restless.block(SESSION, 2, 20);
                restless.ask("wake");
                rounds += 1;
            }
            rounds
        });
        let guard = Done(&done);
        let mut seen_others = false;
        for round in 0.. {
            let blocked = probe.reading(SESSION).unwrap().blocked;
            let (ours, others): (Vec<_>, Vec<_>) = blocked
                .into_iter()
                .partition(|waiter| waiter.attachment == 1);
            let mut listed: Vec<u32> = ours.iter().map(|waiter| waiter.ns_tid).collect();
            listed.sort_unstable();
            assert_eq!(listed, tids);
            assert!(others.len() <= 20, "{}", others.len());
            seen_others |= !others.is_empty();
            if round >= 300 && seen_others {
                break;
            }
        }
        drop(guard);
        churn.join().unwrap()
    });
    assert!(rounds > 1, "no caller came and went");
}
