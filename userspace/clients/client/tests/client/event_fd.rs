use std::os::fd::AsFd;

use onair::{Error, EventFd, EventKind, Timeout};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::fake::Fake;

fn is_readable(fd: &EventFd, ms: i64) -> bool {
    let wait = Timespec {
        tv_sec: ms / 1000,
        tv_nsec: ms % 1000 * 1_000_000,
    };
    let fd = PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN);
    poll(&mut [fd], Some(&wait)).unwrap() == 1
}

#[test]
fn event_fd_whatever_happens_then_readable_until_cleared() {
    let (fake, session) = Fake::attached();
    let fd = session.event_fd().unwrap();
    assert!(is_readable(&fd, 5_000), "for the first look");
    fd.clear();
    assert!(!is_readable(&fd, 0));
    fake.publish(0, 1);
    assert!(is_readable(&fd, 5_000), "a frame");
    fd.clear();
    assert!(is_readable(&fd, 0), "it is still there");
    drop(session.buffer_get(Timeout::NOW).unwrap());
    fd.clear();
    fake.notify(EventKind::Dropped, 1);
    assert!(is_readable(&fd, 5_000), "an event");
    session.event_poll(Timeout::NOW).unwrap();
    fd.clear();
    session.stop();
    assert!(is_readable(&fd, 5_000), "a stop");
    fd.clear();
    session.start();
    assert!(is_readable(&fd, 5_000), "a start");
    fd.clear();
    session.detach().unwrap();
    assert!(is_readable(&fd, 5_000), "the end");
    fd.clear();
    assert!(is_readable(&fd, 0), "the end stays");
    assert!(matches!(
        session.buffer_get(Timeout::NOW),
        Err(Error::Stale)
    ));
}

#[test]
fn event_fd_outlives_its_session_then_the_attachment_goes_back() {
    let (fake, session) = Fake::attached();
    let fd = session.event_fd().unwrap();
    drop(session);
    fake.until("the daemon saw it", |world| !world.members[0].is_there);
    assert!(is_readable(&fd, 5_000));
    onair_ipc::sys::ignore_sigio();
    fake.until("no process maps the memory any more", |world| {
        world.members[0].lender.memory().is_sole_user().unwrap()
            && world.members[0].frames.is_sole_user().unwrap()
    });
}
