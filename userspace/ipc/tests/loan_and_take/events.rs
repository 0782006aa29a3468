//! Events and the descriptor that says that there is something to read.

use std::os::fd::AsFd as _;
use std::time::Duration;

use onair_ipc::caller::{Deadline, Refusal};
use onair_ipc::event::EventKind;
use onair_ipc::layout;

use crate::rig::Session;
use crate::rig::threads::is_readable;

#[test]
fn events_pushed_then_polled_in_order_each_once() {
    let session = Session::receiving();
    let poll = || session.client.poll_event(Deadline::Now);
    for argument in 0..10 {
        session.memory.notify(EventKind::Dropped, argument);
    }
    for argument in 0..10 {
        let event = poll().unwrap();
        assert_eq!((event.kind, event.argument), (EventKind::Dropped, argument));
    }
    assert_eq!(poll(), Err(Refusal::TimedOut));
    for argument in 0..200 {
        session.memory.notify(EventKind::Dropped, argument);
    }
    assert_eq!(poll().unwrap().argument, 200 - layout::EVENTS as u64);
}

#[test]
fn watch_published_and_stopped_then_readable() {
    const SOON: Duration = Duration::from_secs(5);
    const NEVER: Duration = Duration::from_millis(20);
    let mut session = Session::receiving();
    let client = session.client.clone();
    let watch = client.watch().unwrap();
    assert!(is_readable(&watch, SOON), "at the start, to look once");
    watch.clear();
    assert!(!is_readable(&watch, NEVER));
    session.publish([0]);
    assert!(is_readable(&watch, SOON));
    watch.clear();
    assert!(
        is_readable(&watch, Duration::ZERO),
        "the frame is still there"
    );
    let _held = client.get(Deadline::Now).unwrap();
    watch.clear();
    assert!(!is_readable(&watch, NEVER));
    session.memory.stop();
    assert!(is_readable(&watch, SOON));
    drop(watch);
    assert!(client.as_fd().try_clone_to_owned().is_ok());
}
