use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use onair::{Error, Parts, Session, Timeout};

use crate::fake::Fake;

#[test]
fn stop_twice_then_started_then_runs() {
    let (_fake, session) = Fake::attached();
    session.stop();
    session.stop();
    assert!(session.is_stopped());
    for wait in [Timeout::NOW, Timeout::millis(1), Timeout::NEVER] {
        assert!(matches!(session.buffer_get(wait), Err(Error::Stopped)));
        assert!(matches!(session.event_poll(wait), Err(Error::Stopped)));
        assert!(matches!(session.wait_started(wait), Err(Error::Stopped)));
    }
    session.start();
    assert!(!session.is_stopped());
    session.wait_started(Timeout::NOW).unwrap();
}

#[test]
fn start_of_this_process_then_the_daemons_stop_stays() {
    let (fake, session) = Fake::attached();
    fake.stop();
    session.start();
    assert!(session.is_stopped());
    assert!(matches!(
        session.wait_started(Timeout::millis(5)),
        Err(Error::TimedOut)
    ));
    fake.start_again();
    session.wait_started(Timeout::NEVER).unwrap();
}

#[test]
fn stop_of_one_attachment_then_the_other_runs_on() {
    let fake = Fake::receiving();
    let one = Session::attach(&fake.path, "test").unwrap();
    let other = Session::attach(&fake.path, "test").unwrap();
    one.stop();
    assert!(one.is_stopped() && !other.is_stopped());
}

/// The loop of the page `docs/client.md`, and the end that it describes.
#[test]
fn loop_that_waits_stops_out_then_this_process_s_stop_ends_it() {
    for is_stopped_before in [false, true] {
        let (fake, session) = Fake::attached();
        if is_stopped_before {
            fake.stop();
        }
        let ended = std::thread::scope(|scope| {
            let receives = scope.spawn(|| -> Result<(), Error> {
                loop {
                    match session.buffer_get(Timeout::NEVER) {
                        Ok(buffer) => drop(buffer),
                        Err(Error::Stopped) => session.wait_started(Timeout::NEVER)?,
                        Err(error) => return Err(error),
                    }
                }
            });
            session.stop();
            receives.join().unwrap()
        });
        assert!(matches!(ended, Err(Error::Stopped)), "{ended:?}");
    }
}

#[test]
fn buffer_across_a_stop_then_read_and_put() {
    let (fake, session) = Fake::attached();
    let buffer = fake.loan(&session, 3, 9);
    session.stop();
    fake.stop();
    assert_eq!(buffer[..8], 9_u64.to_le_bytes());
    session.buffer_put(buffer).unwrap();
    assert_eq!(fake.reap(), [3]);
}

#[test]
fn get_timeout_then_timed_out_and_not_before() {
    let (_fake, session) = Fake::attached();
    let start = Instant::now();
    let wait = Duration::from_millis(20);
    assert!(matches!(
        session.buffer_get(wait.into()),
        Err(Error::TimedOut)
    ));
    assert!(start.elapsed() >= wait);
}

/// The outcome of a call that is made in parts, with something in between.
fn in_parts(session: &Arc<Session>, between: impl Fn()) -> Result<u64, Error> {
    let mut parts = Parts::new(Timeout::NEVER);
    loop {
        if let Some(buffer) = session.buffer_get_part(&mut parts)? {
            return Ok(buffer.number());
        }
        between();
    }
}

#[test]
fn parts_pulse_between_two_then_the_next_one_reports_it() {
    let (fake, session) = Fake::attached();
    let session = Arc::new(session);
    for pulse in [
        &(|| {
            session.stop();
            session.start();
        }) as &dyn Fn(),
        &|| {
            fake.stop();
            fake.start_again();
        },
    ] {
        let pulses = AtomicUsize::new(0);
        let result = in_parts(&session, || {
            assert_eq!(pulses.fetch_add(1, Ordering::Relaxed), 0, "missed");
            pulse();
        });
        assert!(matches!(result, Err(Error::Stopped)), "{result:?}");
        // Once.
        let result = in_parts(&session, || fake.publish(0, 7));
        assert!(matches!(result, Ok(7)), "{result:?}");
        assert_eq!(fake.reap(), [0]);
        let mut parts = Parts::new(Timeout::NEVER);
        assert!(session.event_poll_part(&mut parts).unwrap().is_none());
        pulse();
        let event = session.event_poll_part(&mut parts);
        assert!(matches!(event, Err(Error::Stopped)), "{event:?}");
    }
}

#[test]
fn parts_with_a_time_limit_then_timed_out_when_it_has_passed() {
    let (fake, session) = Fake::attached();
    let session = Arc::new(session);
    let mut parts = Parts::new(Timeout::NOW);
    let result = session.buffer_get_part(&mut parts);
    assert!(matches!(result, Err(Error::TimedOut)), "{result:?}");
    let mut parts = Parts::new(Timeout::from(Duration::from_millis(500)));
    let mut count = 0;
    while let Ok(None) = session.buffer_get_part(&mut parts) {
        count += 1;
    }
    assert!(count > 0);
    let result = session.buffer_get_part(&mut parts);
    assert!(matches!(result, Err(Error::TimedOut)), "{result:?}");
    fake.stop();
    let mut parts = Parts::new(Timeout::NEVER);
    assert!(session.wait_started_part(&mut parts).unwrap().is_none());
    fake.start_again();
    assert!(session.wait_started_part(&mut parts).unwrap().is_some());
}
