//! The daemon shuts down: what a client reads before its calls are refused.

use onair::{Error, EventFd, EventKind, Session, Timeout};
use onair_ipc::memory::AttachmentState;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::fake::Fake;

/// The next event's kind, or the errno of a refusal.
fn polled(session: &Session) -> Result<EventKind, i32> {
    let event = session.event_poll(Timeout::NEVER);
    event.map(|event| event.kind).map_err(|error| error.errno())
}

const LONG: Timespec = Timespec {
    tv_sec: 30,
    tv_nsec: 0,
};

fn readable(watch: &EventFd, wait: Timespec) -> bool {
    poll(&mut [PollFd::new(watch, PollFlags::IN)], Some(&wait)).unwrap() == 1
}

fn errno(error: &Error) -> i32 {
    error.errno()
}

#[test]
fn drain_of_a_stopped_session_then_read_in_order_before_eagain() {
    let (fake, session) = Fake::attached();
    fake.notify(EventKind::Dropped, 3);
    fake.stop();
    // In a stopped session only the end is reported.
    assert_eq!(polled(&session), Err(errno(&Error::Stopped)));
    let watch = session.event_fd().unwrap();
    fake.publish(0, 1);
    fake.until("what came before the news is cleared", |_| {
        watch.clear();
        // A frame and an event that no caller may take do not make the descriptor readable.
        !readable(&watch, Timespec::default())
    });
    fake.notify(EventKind::Draining, 0);
    assert!(readable(&watch, LONG));
    watch.clear();
    assert!(
        readable(&watch, Timespec::default()),
        "it is still to be read"
    );
    assert!(session.is_service_ending());
    assert_eq!(polled(&session), Ok(EventKind::Dropped));
    assert_eq!(polled(&session), Ok(EventKind::Draining));
    for _ in 0..3 {
        assert_eq!(polled(&session), Err(errno(&Error::Stopped)));
    }
    fake.until("there is nothing to look for", |_| {
        watch.clear();
        !readable(&watch, Timespec::default())
    });
    let frame = session.buffer_get(Timeout::NOW).unwrap_err();
    assert!(matches!(frame, Error::Stopped), "{frame}");
    assert!(session.is_service_ending());
}

#[test]
fn drain_after_a_stop_by_this_process_then_read_before_eagain() {
    let (fake, session) = Fake::attached();
    session.stop();
    fake.notify(EventKind::Draining, 0);
    assert_eq!(polled(&session), Ok(EventKind::Draining));
    assert_eq!(polled(&session), Err(errno(&Error::Stopped)));
}

#[test]
fn drain_and_stop_at_once_then_one_reads_it_and_others_eagain() {
    let (fake, session) = Fake::attached();
    for round in 1..=50_u32 {
        let mut told: Vec<_> = std::thread::scope(|scope| {
            let callers: Vec<_> = (0..4).map(|_| scope.spawn(|| polled(&session))).collect();
            fake.until_inside(4);
            fake.notify(EventKind::Draining, 0);
            fake.stop();
            callers.into_iter().map(|it| it.join().unwrap()).collect()
        });
        told.sort_by_key(Result::is_err);
        assert_eq!(told[0], Ok(EventKind::Draining), "round {round}");
        assert_eq!(told[1..], [Err(errno(&Error::Stopped)); 3], "round {round}");
        fake.start_again();
    }
}

#[test]
fn drain_told_and_the_session_gone_then_read_before_estale() {
    let (fake, session) = Fake::attached();
    fake.notify(EventKind::Draining, 0);
    {
        let world = fake.world();
        world.members[0]
            .lender
            .memory()
            .set_state(AttachmentState::Gone);
    }
    fake.stop();
    let frame = session.buffer_get(Timeout::NOW).unwrap_err();
    assert!(matches!(frame, Error::Stale), "{frame}");
    assert_eq!(polled(&session), Ok(EventKind::Draining));
    assert_eq!(polled(&session), Err(errno(&Error::Stale)));
}
