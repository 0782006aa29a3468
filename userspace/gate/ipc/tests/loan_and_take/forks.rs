//! A forked child has nothing of its parent's attachment.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use onair_ipc::caller::{Deadline, Refusal};

use crate::rig::Session;
use crate::rig::threads::{in_a_child, is_readable};

#[test]
fn fork_child_calls_then_stale_and_parent_unharmed() {
    let session = Session::receiving();
    let client = &session.client;
    client.get(Deadline::Now).unwrap_err();
    let stale = in_a_child(|| {
        let stale = client.get(Deadline::Never) == Err(Refusal::Stale)
            && client.wait_started(Deadline::Never) == Err(Refusal::Stale);
        client.stop();
        stale
    });
    assert!(stale);
    assert!(!client.is_stopped());
}

#[test]
fn fork_child_drops_a_watch_and_all_else_then_parent_unharmed() {
    let mut session = Session::receiving();
    session.frames.write(1, 0, &[9; 1000]);
    session.publish([1]);
    let client = session.client.clone();
    let held = client.take(Deadline::Now).unwrap();
    let watch = client.watch().unwrap();
    let mut owned = Some((watch, held));
    let dropped = in_a_child(|| {
        let drops = catch_unwind(AssertUnwindSafe(|| {
            let (watch, held) = owned.take().unwrap();
            watch.clear();
            drop(watch);
            drop(held);
        }));
        drops.is_ok()
    });
    assert!(dropped);
    let (watch, held) = owned.unwrap();
    assert_eq!(held.bytes(), [9; 1000]);
    assert!(!client.is_inherited());
    held.put().unwrap();
    session.publish([2]);
    assert!(is_readable(&watch, Duration::from_secs(10)));
}
