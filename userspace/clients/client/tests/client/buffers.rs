use std::time::Duration;

use onair::{Buffer, Error, EventKind, Session, Status, Timeout};
use onair_ipc::meta::{FrameMeta, MissingRange};
use rustix::io::Errno;

use crate::fake::{FRAME_BYTES, Fake};

#[test]
fn buffer_taken_then_bytes_and_description() {
    let (fake, session) = Fake::attached();
    fake.publish(2, 41);
    let buffer = session.buffer_get(Timeout::NOW).unwrap();
    assert_eq!(buffer.len(), FRAME_BYTES as usize);
    assert_eq!(buffer[..8], 41_u64.to_le_bytes());
    assert_eq!((buffer.number(), buffer.status()), (41, Status::Complete));
    assert_eq!(session.buffers_held(), 1);
    let buffer = buffer.writable().unwrap_err();
    drop(buffer);
    assert_eq!(session.buffers_held(), 0);
    assert_eq!(fake.reap(), [2]);
}

#[test]
fn buffer_incomplete_then_says_what_is_missing() {
    let (fake, session) = Fake::attached();
    let mut meta = FrameMeta {
        number: 7,
        bytes_missing: 30,
        packets_lost: 2,
        ..FrameMeta::default()
    };
    meta.missing[0] = MissingRange {
        offset: 100,
        len: 10,
    };
    meta.missing[1] = MissingRange {
        offset: 300,
        len: 20,
    };
    fake.world().members[0].lender.publish(0, &meta).unwrap();
    let buffer = session.buffer_get(Timeout::NOW).unwrap();
    let Status::Incomplete(what) = buffer.status() else {
        panic!("{buffer:?}");
    };
    assert_eq!((what.bytes_missing, what.packets_lost), (30, 2));
    assert_eq!(what.ranges().collect::<Vec<_>>(), meta.missing[..2]);
}

#[test]
fn buffer_incomplete_then_says_which_lines_lack_something() {
    let (fake, session) = Fake::attached();
    let line = u32::try_from(session.layout().video.line_bytes()).unwrap();
    let range = |offset, len| MissingRange { offset, len };
    for (missing, expected) in [
        (vec![range(0, 1)], vec![(0, 1)]),
        (vec![range(line - 1, 2)], vec![(0, 2)]),
        (vec![range(line, 2 * line)], vec![(1, 3)]),
        // Both of one line, and of neighbours.
        (vec![range(line, 4), range(line + 8, line)], vec![(1, 3)]),
        (
            vec![range(0, 4), range(3 * line, 4), range(4 * line, 4)],
            vec![(0, 1), (3, 5)],
        ),
    ] {
        let mut meta = FrameMeta {
            bytes_missing: missing.iter().map(|it| it.len).sum(),
            ..FrameMeta::default()
        };
        meta.missing[..missing.len()].copy_from_slice(&missing);
        fake.world().members[0].lender.publish(0, &meta).unwrap();
        let buffer = session.buffer_get(Timeout::NOW).unwrap();
        let Status::Incomplete(what) = buffer.status() else {
            panic!("{buffer:?}");
        };
        let lines: Vec<_> = what.lines().map(|it| (it.start, it.end)).collect();
        assert_eq!(lines, expected, "{missing:?}");
        drop(buffer);
        assert_eq!(fake.reap(), [0]);
    }
}

#[test]
fn buffer_moved_to_another_thread_then_put_there() {
    fn is_sendable<T: Send + Sync>(_: &T) {}
    let (fake, session) = Fake::attached();
    is_sendable(&session);
    fake.publish(1, 1);
    let buffer: Buffer<'_> = session.buffer_get(Timeout::NOW).unwrap();
    is_sendable(&buffer);
    std::thread::scope(|scope| {
        scope.spawn(|| session.buffer_put(buffer).unwrap());
    });
    assert_eq!(fake.reap(), [1]);
}

#[test]
fn send_submitted_then_sent_in_order_and_dropped_ones_are_not() {
    let fake = Fake::sending();
    let session = Session::attach(&fake.path, "test").unwrap();
    assert!(session.is_sender());
    for frame in 0..3 {
        fake.publish(frame, 0);
    }
    let mut first = session.buffer_get_mut(Timeout::NOW).unwrap();
    let mut second = session.buffer_get_mut(Timeout::NOW).unwrap();
    let third = session.buffer_get_mut(Timeout::NOW).unwrap();
    first.fill(1);
    second.fill(2);
    second.submit().unwrap();
    first.submit().unwrap();
    drop(third);
    let mut free = fake.reap();
    free.sort_unstable();
    assert_eq!(free, [0, 1, 2]);
    let mut world = fake.world();
    world.submitted.sort_by_key(|submitted| submitted.2);
    assert_eq!(world.submitted, [(1, 1, 1), (1, 0, 2)]);
    let mut bytes = [0; FRAME_BYTES as usize];
    world.members[0].frames.read(1, 0, &mut bytes);
    assert_eq!(bytes, [2; FRAME_BYTES as usize]);
}

#[test]
fn send_open_then_lines_count_and_it_is_held_to_its_end() {
    let fake = Fake::sending();
    let session = Session::attach(&fake.path, "test").unwrap();
    let lines = session.layout().video.height();
    for finishes in [true, false] {
        fake.publish(0, 0);
        let buffer = session.buffer_get_mut(Timeout::NOW).unwrap();
        let mut buffer = buffer.submit_open().unwrap();
        let mut opened = vec![];
        let mut serial = 0;
        fake.world().members[0].lender.collect(|it| {
            serial = it.open.unwrap_or_default();
            opened.push(it.frame);
        });
        assert_eq!(opened, [0]);
        let progress = || fake.world().members[0].lender.progress(0, serial);
        assert_eq!(progress(), 0);
        for line in 1..=lines {
            buffer.fill(7);
            buffer.lines_ready(line);
            assert_eq!(progress(), line);
        }
        assert_eq!((session.buffers_held(), fake.reap()), (1, vec![]));
        if finishes {
            buffer.finish().unwrap();
            assert_eq!(progress(), u32::MAX);
        } else {
            drop(buffer);
            assert_eq!(progress(), lines);
        }
        assert_eq!(fake.reap(), [0]);
        assert!(fake.world().submitted.is_empty(), "it is sent already");
    }
}

#[test]
fn send_open_kept_as_a_buffer_then_submit_finishes_it() {
    let fake = Fake::sending();
    let session = Session::attach(&fake.path, "test").unwrap();
    fake.publish(0, 0);
    let buffer = session.buffer_get(Timeout::NOW).unwrap();
    assert_eq!(
        buffer.ready(1).unwrap_err().errno(),
        Errno::INVAL.raw_os_error()
    );
    buffer.submit_open().unwrap();
    assert_eq!(
        buffer.submit_open().unwrap_err().errno(),
        Errno::ALREADY.raw_os_error()
    );
    buffer.ready(3).unwrap();
    buffer.writable().unwrap().submit().unwrap();
    assert_eq!(fake.reap(), [0]);
    assert_eq!(fake.world().submitted.len(), 1, "once");

    let (fake, session) = Fake::attached();
    fake.publish(0, 0);
    let buffer = session.buffer_get(Timeout::NOW).unwrap();
    assert_eq!(
        buffer.submit_open().unwrap_err().errno(),
        Errno::INVAL.raw_os_error()
    );
}

#[test]
fn flush_asked_then_sent_late_or_refused_and_the_session_lives() {
    let fake = Fake::sending();
    let session = Session::attach(&fake.path, "test").unwrap();
    fake.publish(0, 0);
    fake.publish(1, 0);
    session
        .buffer_get_mut(Timeout::NOW)
        .unwrap()
        .submit()
        .unwrap();
    let late = session.flush(Duration::ZERO).unwrap_err();
    assert!(matches!(late, Error::TimedOut), "{late}");
    assert_eq!(session.flush(Duration::from_secs(30)).unwrap(), 1);
    fake.world().refuses = Some("frames_dropped");
    let dropped = session.flush(Duration::from_secs(30)).unwrap_err();
    assert_eq!(dropped.errno(), Errno::CANCELED.raw_os_error());
    fake.world().refuses = None;
    let mut next = session.buffer_get_mut(Timeout::NOW).unwrap();
    next.fill(1);
}

#[test]
fn events_notified_then_polled_in_order() {
    let (fake, session) = Fake::attached();
    fake.notify(EventKind::Dropped, 3);
    fake.notify(EventKind::Draining, 0);
    let event = session.event_poll(Timeout::NEVER).unwrap();
    assert_eq!((event.kind, event.argument), (EventKind::Dropped, 3));
    let event = session.event_poll(Timeout::millis(1000)).unwrap();
    assert_eq!(event.kind, EventKind::Draining);
    assert!(matches!(
        session.event_poll(Timeout::NOW),
        Err(Error::TimedOut)
    ));
}
