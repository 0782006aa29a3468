//! Events and the descriptor that says that there is something to read.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::fd::{AsFd, AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use onair_ipc::caller::{Deadline, Refusal};
use onair_ipc::event::EventKind;
use onair_ipc::layout;

use crate::rig::Session;
use crate::rig::threads::is_readable;

#[test]
fn events_pushed_then_polled_in_order_each_once() {
    let session = Session::receiving();
    let poll = || session.client.poll_event(Deadline::Now, None);
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

/// What dup2(2) does for a program that has closed a number.
fn put_at(number: RawFd, file: &impl AsFd) {
    // SAFETY: the number is open. What it was is given up, and what it is now is closed at the end of the test.
    let mut place = unsafe { OwnedFd::from_raw_fd(number) };
    rustix::io::dup2(file, &mut place).unwrap();
    std::mem::forget(place);
}

#[test]
fn watch_whose_number_is_another_file_then_it_is_left_alone() {
    let mut session = Session::receiving();
    let client = session.client.clone();
    let watch = client.watch().unwrap();
    let ready = watch.as_fd().try_clone_to_owned().unwrap();
    watch.clear();
    assert!(watch.is_own() && watch.is_at(ready.as_raw_fd()));
    let (mut theirs, mut far) = UnixStream::pair().unwrap();
    far.write_all(b"theirs").unwrap();
    far.set_nonblocking(true).unwrap();
    let numbers = [&watch.as_fd(), &client.as_fd()].map(|it| it.as_raw_fd());
    numbers.iter().for_each(|it| put_at(*it, &theirs));
    session.publish([0]);
    assert!(is_readable(&ready, Duration::from_secs(5)), "the frame");
    assert!(!watch.is_own());
    // A return that the daemon waits for.
    let held = client.get(Deadline::Now).unwrap();
    session.memory.stop();
    session.memory.arm_kick();
    client.put(held).unwrap();
    watch.clear();
    drop(watch);
    let read = far.read(&mut [0; 16]).map_err(|error| error.kind());
    assert_eq!(read, Err(ErrorKind::WouldBlock), "the library wrote");
    let mut kept = [0; 6];
    theirs.read_exact(&mut kept).unwrap();
    assert_eq!(&kept, b"theirs");
    drop((session, client));
    for number in numbers {
        // SAFETY: the number is that of `put_at`, and nothing else owns it.
        drop(unsafe { OwnedFd::from_raw_fd(number) });
    }
}
