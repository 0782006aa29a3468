//! An evicted client.

use std::os::fd::AsFd;

use onair::Timeout;
use onair_ipc::lender::FoundState;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::fake::{Fake, is_stale};

#[test]
fn evicted_in_every_call_then_stale_and_its_frame_is_unchanged() {
    let (fake, session) = Fake::attached();
    for (frame, number) in [(0, 1), (1, 2)] {
        fake.publish(frame, number);
    }
    let buffer = session.buffer_get(Timeout::NOW).unwrap();
    session.buffer_get(Timeout::NOW).unwrap().put().unwrap();
    let event_fd = session.event_fd().unwrap();
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..8)
            .map(|i| {
                let session = &session;
                scope.spawn(move || match i % 2 {
                    0 => session.buffer_get(Timeout::NEVER).map(drop),
                    _ => session.event_poll(Timeout::NEVER).map(drop),
                })
            })
            .collect();
        fake.until_inside(8);
        event_fd.clear();
        let taken = fake.world().evict(0);
        let found: Vec<_> = taken.iter().map(|it| (it.frame, it.found)).collect();
        assert_eq!(found, [(0, FoundState::Held), (1, FoundState::Returned)]);
        for caller in callers {
            assert!(is_stale(caller.join().unwrap()));
        }
    });
    let mut fds = [PollFd::from_borrowed_fd(event_fd.as_fd(), PollFlags::IN)];
    let timeout = Timespec {
        tv_sec: 10,
        tv_nsec: 0,
    };
    assert_eq!(poll(&mut fds, Some(&timeout)).unwrap(), 1);
    assert!(is_stale(session.buffer_get(Timeout::NEVER)));
    assert!(is_stale(session.event_poll(Timeout::NEVER)));
    assert!(is_stale(session.wait_started(Timeout::NEVER)));
    session.stop();
    session.start();
    assert!(is_stale(session.buffer_get(Timeout::NOW)));
    assert_eq!(buffer[..8], 1_u64.to_le_bytes());
    assert!(is_stale(buffer.put()));
    assert_eq!(session.buffers_held(), 0);
    assert!(is_stale(session.detach()));
    assert!(is_stale(session.detach()));
}
