//! The core of a session, with real callers and the real words, under a random scheduler: start,
//! stop, destroy, abort, evict and quarantine, with deaths of threads and processes between any two
//! steps. No timer ever fires unless a test says so: a kick that is not armed, a death that is not
//! looked into, or an order that is forgotten shows as a session that never ends.
//!
//! ```text
//! RUSTFLAGS="--cfg shuttle" cargo test -p onair-session --test shuttle_drain --release --target-dir target/shuttle
//! ```
//!
//! `ONAIR_SHUTTLE_SEED` and `ONAIR_SHUTTLE_TIMES` as for the gate's schedules.
#![cfg(shuttle)]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

#[path = "../played/ledgers.rs"]
mod ledgers;
mod plant;
mod process;
#[path = "../../../ipc/tests/rig/pair.rs"]
mod rig;
#[path = "../../../ipc/tests/shuttle_gate/schedules.rs"]
#[expect(dead_code, reason = "the gate's tests use all of it")]
mod schedules;
#[path = "../played/seen.rs"]
mod seen;
mod tasks;
mod together;

use std::time::Duration;

use onair_api::{Operation, Reading, Says, StepName, Via, Who};
use onair_session::{Destroy, Event, EvictionTicket, Ticket};

use self::plant::{End, ModelSession};
use self::schedules::{below, schedules};
use self::together::Together;

fn operator() -> Who {
    Who {
        uid: 0,
        gid: 0,
        pid: 1,
        command: "test".into(),
        via: Via::Control,
    }
}

fn destroy(operation: Operation) -> Destroy {
    Destroy {
        who: operator(),
        operation,
        // The clock stands still.
        deadline: Some(plant::epoch() + Duration::from_secs(1)),
        deadline_ms: Some(1000),
        waits_for_turn: false,
        ticket: Ticket::unread(),
    }
}

/// A session whose destroy waits ends by itself, once the last user has left or died.
#[test]
fn drain_with_callers_that_leave_and_die_ends_without_a_timer() {
    schedules(4000, || {
        let mut session = ModelSession::with_clients(1 + below(2), 1 + below(2));
        session.run_for(below(60));
        for _ in 0..below(3) {
            session.kill_soon();
        }
        session.stop();
        session.run_for(below([1, 20][below(2)]));
        for _ in 0..below(3) {
            session.kill_soon();
        }
        // `DestroyWait` gives up when its requester has gone, `Shutdown` never.
        session.handle(Event::Destroy(destroy(Operation::Shutdown)));
        let End::Destroyed(evidence) = session.run_until_over() else {
            panic!("it was not quarantined");
        };
        assert!(
            evidence
                .readings
                .iter()
                .all(|it| it.says == Says::Zero || it.name == "mapping")
        );
        assert!(evidence.disagreements.is_empty(), "{evidence:?}");
        session.check(&evidence);
    });
}

/// Sessions that are stopped and destroyed together, and examined together, end each for itself.
#[test]
fn drain_of_sessions_together_ends_each_without_a_timer() {
    schedules(2000, || {
        let clients: Vec<_> = (0..2 + below(2)).map(|_| (1, 1 + below(2))).collect();
        let mut all = Together::with_clients(&clients);
        all.run_for(below(60));
        for _ in 0..below(3) {
            let session = below(all.0.len());
            all.0[session].kill_soon();
        }
        all.0.iter_mut().for_each(ModelSession::stop);
        all.run_for(below([1, 20][below(2)]));
        for _ in 0..below(3) {
            let session = below(all.0.len());
            all.0[session].kill_soon();
        }
        let in_turn = below(2) == 0;
        for session in &mut all.0 {
            session.handle(Event::Destroy(Destroy {
                waits_for_turn: in_turn,
                ..destroy(Operation::Shutdown)
            }));
        }
        let ends = all.run_until_over();
        for (session, end) in all.0.iter_mut().zip(ends) {
            let End::Destroyed(evidence) = end else {
                panic!("it was not quarantined");
            };
            let is_zero = |it: &Reading| it.says == Says::Zero || it.name == "mapping";
            assert!(evidence.readings.iter().all(is_zero), "{evidence:?}");
            assert!(evidence.disagreements.is_empty(), "{evidence:?}");
            session.check(&evidence);
        }
    });
}

/// An abort waits for no user, whatever the callers do.
#[test]
fn abort_under_callers_ends_without_a_timer() {
    schedules(1000, || {
        let mut session = ModelSession::with_clients(1 + below(2), 1 + below(2));
        session.run_for(below(60));
        if below(2) == 0 {
            session.stop();
            session.run_for(below(20));
        }
        if below(3) == 0 {
            session.kill_soon();
        }
        session.handle(Event::Abort(destroy(Operation::Abort)));
        let End::Destroyed(evidence) = session.run_until_over() else {
            panic!("it was not quarantined");
        };
        assert_eq!(evidence.operation, Operation::Abort);
        session.check(&evidence);
    });
}

/// Evicted clients hold nothing up, and are in the evidence.
#[test]
fn drain_after_all_clients_were_evicted_ends_without_a_timer() {
    schedules(1000, || {
        let mut session = ModelSession::with_clients(1 + below(2), 1 + below(2));
        let clients = session.clients();
        session.run_for(below(60));
        let mut early = None;
        if below(2) == 0 {
            session.handle(Event::Evict(None, EvictionTicket::All(Ticket::unread())));
            // The poller takes the frames back.
            early = Some(session.run_until(|it| it.evicted.take()));
            session.stop();
        } else {
            session.stop();
            session.run_for(below(20));
            session.handle(Event::Evict(None, EvictionTicket::All(Ticket::unread())));
        }
        session.handle(Event::Destroy(destroy(Operation::Shutdown)));
        let End::Destroyed(evidence) = session.run_until_over() else {
            panic!("it was not quarantined");
        };
        assert_eq!(evidence.evicted.len(), clients);
        let answered = early.or(session.evicted.take()).unwrap();
        assert_eq!(answered.evicted.len(), clients);
        session.check(&evidence);
    });
}

/// A quarantined session ends when its last holder is gone; only that needs a look without a
/// message.
#[test]
fn quarantine_under_callers_then_freed_once_after_the_last() {
    schedules(600, || {
        let mut session = ModelSession::with_clients(1 + below(2), 1);
        session.run_for(below(60));
        session.stop();
        session.run_for(below(40));
        session.handle(Event::Quarantine(operator()));
        let mut steps = session.steps();
        assert_eq!(steps.pop(), Some(StepName::Quarantined));
        session.run_for(200);
        session.kill_all();
        assert!(matches!(session.run_until_over(), End::Freed));
    });
}

/// A start that waits for the poller runs the session again, and wakes every caller.
#[test]
fn stop_and_start_again_then_the_drain_ends_without_a_timer() {
    schedules(1000, || {
        let mut session = ModelSession::with_clients(1, 1 + below(2));
        for _ in 0..1 + below(2) {
            session.run_for(below(40));
            session.stop();
            session.run_for(below(10));
            session.start();
        }
        session.run_for(below(40));
        session.stop();
        session.handle(Event::Destroy(destroy(Operation::Shutdown)));
        let End::Destroyed(evidence) = session.run_until_over() else {
            panic!("it was not quarantined");
        };
        session.check(&evidence);
    });
}
