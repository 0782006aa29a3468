//! A9: each wrong use gets a typed error and does no harm.

use onair::{Error, Session, Timeout};
use rustix::io::Errno;

use crate::fake::Fake;

fn errno<T: std::fmt::Debug>(result: Result<T, Error>) -> Errno {
    Errno::from_raw_os_error(result.unwrap_err().errno())
}

#[test]
fn put_twice_then_ealready_and_credited_once() {
    let (fake, session) = Fake::attached();
    let raw = fake.loan(&session, 1, 5).into_raw();
    assert_eq!(session.buffers_held(), 1);
    assert_eq!(session.raw_status(raw).unwrap().0, 5);
    assert_eq!(session.raw_bytes(raw).unwrap().1, 1000);
    session.put_raw(raw).unwrap();
    assert_eq!(errno(session.put_raw(raw)), Errno::ALREADY);
    assert_eq!(fake.reap(), [1]);
    assert_eq!(errno(session.put_raw(raw)), Errno::ALREADY);
    // The same frame, loaned again: the old handle must not release it.
    fake.publish(1, 6);
    let again = session.buffer_get(Timeout::NOW).unwrap();
    assert_eq!(errno(session.put_raw(raw)), Errno::ALREADY);
    assert_eq!(session.buffers_held(), 1);
    drop(again);
}

#[test]
fn put_into_another_session_then_einval_and_the_buffer_is_kept() {
    let (here, there) = (Fake::receiving(), Fake::receiving());
    let session = Session::attach(&here.path, "test").unwrap();
    let other = Session::attach(&there.path, "test").unwrap();
    let sibling = Session::attach(&here.path, "test").unwrap();
    here.publish(1, 5);
    let buffer = session.buffer_get(Timeout::NOW).unwrap();
    let mut refused = other.buffer_put(buffer).unwrap_err();
    assert_eq!(refused.errno(), Errno::INVAL.raw_os_error());
    let buffer = refused.buffer.take().unwrap();
    assert_eq!(session.buffers_held(), 1);
    let raw = buffer.into_raw();
    assert_eq!(errno(sibling.put_raw(raw)), Errno::INVAL);
    assert_eq!(errno(sibling.raw_bytes(raw)), Errno::INVAL);
    // The other daemon issued the same numbers: session, attachment, frame and loan.
    there.publish(1, 6);
    let others = other.buffer_get(Timeout::NOW).unwrap();
    assert_eq!(errno(other.put_raw(raw)), Errno::INVAL);
    assert_eq!(other.buffers_held(), 1, "not given back under its guard");
    drop(others);
    session.put_raw(raw).unwrap();
    assert_eq!(here.reap(), [1]);
}

#[test]
fn destroy_without_stop_then_einval_and_runs_on() {
    let (fake, session) = Fake::created();
    let error = session.destroy().unwrap_err();
    assert!(matches!(error, Error::NotStopped(_)), "{error}");
    fake.publish(0, 1);
    session.buffer_get(Timeout::NOW).unwrap();
}

#[test]
fn destroy_not_the_owner_then_eacces() {
    let (_fake, session) = Fake::attached();
    session.stop();
    assert_eq!(errno(session.destroy()), Errno::ACCESS);
}

#[test]
fn receive_session_filled_or_submitted_then_einval() {
    let (fake, session) = Fake::attached();
    fake.publish(0, 1);
    assert_eq!(errno(session.buffer_get_mut(Timeout::NOW)), Errno::INVAL);
    let raw = session.buffer_get(Timeout::NOW).unwrap().into_raw();
    assert_eq!(errno(session.submit_raw(raw)), Errno::INVAL);
    assert_eq!(session.buffers_held(), 1, "still held");
    session.put_raw(raw).unwrap();
}

#[test]
fn result_not_checked_then_nothing_is_lost() {
    let (fake, session) = Fake::attached();
    fake.publish(0, 1);
    let _ = session.buffer_get(Timeout::NOW);
    assert_eq!(fake.reap(), [0]);
}
