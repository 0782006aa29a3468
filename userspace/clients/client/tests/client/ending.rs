use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use onair::{Error, Session, Timeout};
use onair_ipc::lender::FoundState;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::fake::{Fake, SESSION, is_stale, spec};

#[test]
fn detach_callers_waiting_then_they_leave_and_all_is_stale() {
    let fake = Fake::receiving();
    let session = Arc::new(Session::attach(&fake.path, "test").unwrap());
    let callers: Vec<_> = (0..8)
        .map(|i| {
            let session = session.clone();
            std::thread::spawn(move || match i % 2 {
                0 => session.buffer_get(Timeout::NEVER).map(drop).unwrap_err(),
                _ => session.event_poll(Timeout::NEVER).map(drop).unwrap_err(),
            })
        })
        .collect();
    fake.until_inside(8);
    session.detach().unwrap();
    for caller in callers {
        assert!(matches!(
            caller.join().unwrap(),
            Error::Stopped | Error::Stale
        ));
    }
    assert!(is_stale(session.buffer_get(Timeout::NEVER)));
    assert!(is_stale(session.event_poll(Timeout::NOW)));
    assert!(is_stale(session.wait_started(Timeout::NEVER)));
    assert!(is_stale(session.detach()));
    assert!(session.is_stopped());
    session.stop();
    session.start();
    assert!(is_stale(session.buffer_get(Timeout::NEVER)));
    fake.until("the daemon saw it", |world| !world.members[0].is_there);
}

#[test]
fn detach_buffer_held_then_busy_and_nothing_changed() {
    let (fake, session) = Fake::attached();
    let buffer = fake.loan(&session, 0, 1);
    let error = session.detach().unwrap_err();
    assert!(matches!(error, Error::InUse { frames: 1, .. }), "{error}");
    assert_eq!(error.errno(), rustix::io::Errno::BUSY.raw_os_error());
    assert!(!session.is_stopped());
    assert_eq!(buffer[..8], 1_u64.to_le_bytes());
    drop(buffer);
    session.detach().unwrap();
}

#[test]
fn detach_forgotten_guard_then_counted_as_held() {
    let (fake, session) = Fake::created();
    fake.publish(0, 1);
    std::mem::forget(session.buffer_get(Timeout::NOW).unwrap());
    assert_eq!(session.buffers_held(), 1);
    assert!(matches!(
        session.detach(),
        Err(Error::InUse { frames: 1, .. })
    ));
    session.stop();
    let Err(Error::Busy(busy)) = session.destroy() else {
        panic!("a forgotten guard pins the session");
    };
    assert_eq!(busy.blockers.len(), 1);
    drop(session);
    fake.until("the connection is closed", |world| {
        !world.members[0].is_there
    });
}

#[test]
fn destroy_stopped_and_unused_then_certificate_and_stale() {
    let (fake, session) = Fake::created();
    std::thread::scope(|scope| {
        let caller = scope.spawn(|| session.buffer_get(Timeout::NEVER).map(drop));
        fake.until_inside(1);
        session.stop();
        assert!(matches!(caller.join().unwrap(), Err(Error::Stopped)));
    });
    let certificate = session.destroy().unwrap();
    assert_eq!(certificate.document()["session"], format!("{SESSION:016x}"));
    assert!(certificate.read().is_err(), "not of this version's form");
    assert!(certificate.to_string().contains("session"));
    assert!(is_stale(session.buffer_get(Timeout::NEVER)));
    assert!(is_stale(session.destroy()));
    assert!(is_stale(session.detach()));
}

#[test]
fn destroy_held_by_another_then_busy_with_blockers_until_put() {
    let fake = Fake::receiving();
    let other = Session::attach(&fake.path, "test").unwrap();
    let owner = Session::create(&fake.path, &spec()).unwrap();
    fake.publish(1, 1);
    let buffer = other.buffer_get(Timeout::NOW).unwrap();
    owner.stop();
    let Err(Error::Busy(busy)) = owner.destroy() else {
        panic!("held by the other");
    };
    assert_eq!(busy.blockers[0].held_frames.len(), 1);
    assert!(!busy.waited);
    let Err(Error::Busy(busy)) = owner.destroy_wait(Duration::from_millis(5)) else {
        panic!("still held by the other");
    };
    assert!(busy.waited);
    std::thread::scope(|scope| {
        let destroyer = scope.spawn(|| owner.destroy_wait(Duration::from_secs(20)));
        fake.until("the session is stopped", |_| other.is_stopped());
        drop(buffer);
        destroyer.join().unwrap().unwrap();
    });
    assert!(is_stale(other.buffer_get(Timeout::NEVER)));
    assert!(is_stale(other.wait_started(Timeout::NEVER)));
}

#[test]
fn daemon_does_not_answer_then_later_requests_are_refused() {
    let fake = Fake::receiving();
    let client = onair::Client::at(&fake.path).response_timeout(Duration::from_secs(2));
    let session = client.create(&spec()).unwrap();
    fake.world().is_mute = true;
    session.stop();
    assert!(matches!(session.destroy(), Err(Error::NoAnswer(_))));
    assert!(matches!(session.destroy(), Err(Error::Protocol(_))));
    assert!(matches!(session.detach(), Err(Error::Protocol(_))));
}

#[test]
fn hang_up_under_callers_and_a_buffer_then_stale_and_it_stays() {
    let (fake, session) = Fake::attached();
    let buffer = fake.loan(&session, 0, 1);
    std::thread::scope(|scope| {
        let callers = [0, 1].map(|_| scope.spawn(|| session.buffer_get(Timeout::NEVER).map(drop)));
        fake.until_inside(2);
        session.hang_up();
        for caller in callers {
            let result = caller.join().unwrap();
            assert!(matches!(result, Err(Error::Stopped | Error::Stale)));
        }
    });
    assert_eq!(buffer[..8], 1_u64.to_le_bytes());
    assert!(is_stale(session.buffer_get(Timeout::NEVER)));
    assert!(is_stale(session.detach()));
    drop(buffer);
    fake.until("the daemon saw it", |world| !world.members[0].is_there);
    session.hang_up();
}

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
