//! The memory that a guard borrows stays the same until the guard is dropped, however the session
//! ends. The memory is released with the last guard, so that an ended client keeps none of the
//! daemon's.

use std::time::Duration;

use onair::{Session, Timeout};

use crate::fake::{Fake, is_stale, spec};

/// How a session ends under a guard.
#[derive(Clone, Copy, Debug)]
enum End {
    Abort,
    EvictThenFlush,
    EvictThenDetach,
    QuarantineThenFlush,
    QuarantineThenDetach,
}

const ENDS: [End; 5] = [
    End::Abort,
    End::EvictThenFlush,
    End::EvictThenDetach,
    End::QuarantineThenFlush,
    End::QuarantineThenDetach,
];

impl End {
    fn come(self, fake: &Fake, session: &Session) {
        match self {
            Self::EvictThenFlush | Self::EvictThenDetach => drop(fake.world().evict(0)),
            Self::QuarantineThenFlush | Self::QuarantineThenDetach => fake.quarantine(),
            Self::Abort => {}
        }
        match self {
            Self::Abort => drop(session.abort().unwrap()),
            Self::EvictThenFlush | Self::QuarantineThenFlush => {
                assert!(is_stale(session.flush(Duration::from_secs(20))));
            }
            Self::EvictThenDetach => assert!(is_stale(session.detach())),
            // The client checks first which frames the shared memory shows as held.
            Self::QuarantineThenDetach => {
                let _ = session.detach();
            }
        }
    }
}

#[test]
fn end_buffer_borrowed_then_its_bytes_stay_until_it_is_dropped() {
    for end in ENDS {
        for sends in [false, true] {
            let fake = if sends {
                Fake::sending()
            } else {
                Fake::receiving()
            };
            let session = Session::create(&fake.path, &spec()).unwrap();
            let buffer = fake.loan(&session, 0, 7);
            let bytes: &[u8] = &buffer;
            end.come(&fake, &session);
            assert_eq!(bytes[..8], 7_u64.to_le_bytes(), "{end:?}, sends: {sends}");
            assert!(!fake.has_words_alone(), "{end:?}: it would be written to");
            session.start();
            assert!(is_stale(session.buffer_get(Timeout::NEVER)), "{end:?}");
            assert_eq!(bytes[..8], 7_u64.to_le_bytes(), "{end:?}, sends: {sends}");
            if !matches!(end, End::QuarantineThenDetach) {
                drop(buffer);
                assert!(fake.has_memory_alone(), "{end:?}: the session still lives");
            }
        }
    }
}

#[test]
fn end_handle_kept_then_its_end_says_whether_its_memory_goes() {
    for end in ENDS {
        let (fake, session) = Fake::created();
        let raw = fake.loan(&session, 0, 7).into_raw();
        end.come(&fake, &session);
        let lets_go = match end {
            // An evicted client that leaves must free its slot.
            End::Abort | End::EvictThenFlush | End::EvictThenDetach => true,
            // Its shared memory still shows the frame as held.
            End::QuarantineThenFlush | End::QuarantineThenDetach => false,
        };
        assert_eq!(fake.has_memory_alone(), lets_go, "{end:?}");
        if let End::QuarantineThenFlush = end {
            session.put_raw(raw).unwrap();
            assert!(fake.has_memory_alone(), "nothing is held any more");
        }
    }
}

#[test]
fn detach_after_an_end_then_handles_let_go_and_a_guard_stays() {
    let (fake, session) = Fake::attached();
    let raw = fake.loan(&session, 0, 7).into_raw();
    let buffer = fake.loan(&session, 1, 8);
    fake.quarantine();
    assert!(is_stale(session.flush(Duration::from_secs(20))));
    assert!(is_stale(session.detach()));
    assert!(!fake.has_words_alone());
    assert_eq!(buffer[..8], 8_u64.to_le_bytes());
    drop(buffer);
    assert!(fake.has_memory_alone());
    assert!(is_stale(session.put_raw(raw)));
}

#[test]
fn abort_with_callers_inside_then_the_last_frees_the_memory() {
    for _ in 0..20 {
        let (fake, session) = Fake::created();
        let buffers = [0, 1].map(|frame| fake.loan(&session, frame, u64::from(frame) + 7));
        std::thread::scope(|scope| {
            for i in 0..4 {
                let session = &session;
                scope.spawn(move || match i % 2 {
                    0 => assert!(is_stale(session.buffer_get(Timeout::NEVER))),
                    _ => assert!(is_stale(session.event_poll(Timeout::NEVER))),
                });
            }
            fake.until_inside(4);
            for buffer in buffers {
                let (fake, session) = (&fake, &session);
                scope.spawn(move || {
                    let number = buffer.number();
                    while !session.is_stopped() {
                        assert_eq!(buffer[..8], number.to_le_bytes());
                    }
                    assert!(!fake.has_words_alone());
                    assert_eq!(buffer[..8], number.to_le_bytes());
                });
            }
            session.abort().unwrap();
        });
        assert!(fake.has_memory_alone(), "the session still lives");
    }
}

#[test]
fn session_dropped_with_a_forgotten_guard_then_the_memory_goes() {
    let (fake, session) = Fake::created();
    std::mem::forget(fake.loan(&session, 0, 7));
    session.abort().unwrap();
    assert!(!fake.has_words_alone(), "it may be borrowed");
    drop(session);
    assert!(fake.has_memory_alone());
}
