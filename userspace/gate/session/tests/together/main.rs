//! Sessions that are examined together, with callers that are hostile or come at the wrong moment:
//! each session is judged by what was read of it, after its own gate was closed.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

#[path = "../played/ledgers.rs"]
#[expect(dead_code, reason = "the sequences use all of it")]
mod ledgers;
#[path = "../../../ipc/tests/rig/pair.rs"]
mod rig;
#[path = "../played/seen.rs"]
mod seen;
mod site;
mod waiting;

use std::cell::RefCell;

use onair_api::{Problem, ProblemCode, Says, SessionId};
use onair_ipc::caller::{Deadline, Refusal};
use onair_session::{AwaitedTurn, Event, Examination};

use self::site::{CLIENT, Site, ended, examine, examine_once};

#[test]
fn together_caller_seen_by_the_kernel_then_its_session_stays() {
    for (hidden, in_turn) in [(1, false), (2, false), (3, false), (1, true), (2, true)] {
        let mut sites: Vec<_> = (1..=3).map(Site::new).collect();
        sites.iter_mut().for_each(|it| it.stop(in_turn));
        examine(&mut sites, &[SessionId(hidden)], &|_| ());
        let expected: Vec<_> = (1..=3).map(|id| id != hidden).collect();
        assert_eq!(ended(&sites), expected, "{hidden} {in_turn}");
        // It was not there: the lie of the shared memory is in the certificate.
        for site in &mut sites {
            site.is_due = true;
        }
        examine(&mut sites, &[], &|_| ());
        assert_eq!(ended(&sites), [true; 3]);
        for site in &sites {
            let evidence = site.end.as_ref().unwrap();
            let expected = usize::from(site.core.id() == SessionId(hidden));
            assert_eq!(evidence.disagreements.len(), expected, "{hidden} {in_turn}");
        }
    }
}

#[test]
fn turn_withdrawn_then_the_session_stays_and_ends_later() {
    let mut sites = [Site::new(1)];
    let withdraw = || Event::Withdraw(Problem::new(ProblemCode::Busy, "another is in use"));
    sites[0].stop(true);
    assert_eq!(sites[0].core.life().awaited_turn(), AwaitedTurn::InUse);
    // The second one after the look at its client's sites.
    for _ in 0..2 {
        examine_once(&mut sites, Examination::Due, &[], &|_| ());
    }
    assert_eq!(sites[0].core.life().awaited_turn(), AwaitedTurn::Ready);
    for _ in 0..2 {
        sites[0].handle(withdraw());
        assert_eq!(sites[0].core.life().awaited_turn(), AwaitedTurn::None);
        assert!(!sites[0].core.life().is_draining());
    }
    sites[0].is_due = true;
    examine(&mut sites, &[], &|_| ());
    assert_eq!(ended(&sites), [false]);
    // A destroy of its own waits for no turn, and is not withdrawn.
    sites[0].destroy(false);
    sites[0].handle(withdraw());
    examine(&mut sites, &[], &|_| ());
    assert_eq!(ended(&sites), [true]);
}

#[test]
fn together_frame_held_then_its_session_stays_and_the_put_kicks() {
    for holder in 0..3 {
        let mut sites: Vec<_> = (1..=3).map(Site::new).collect();
        let held = RefCell::new(Some(sites[holder].take()));
        sites.iter_mut().for_each(|it| it.stop(false));
        // The holder puts it when W1 of every session has been read; others try to enter theirs.
        let clients: Vec<_> = sites.iter().map(|it| it.pair.client.clone()).collect();
        let at_walk = |_: SessionId| {
            if let Some(loan) = held.borrow_mut().take() {
                clients[holder].put(loan).unwrap();
            }
            for client in &clients {
                assert_eq!(client.get(Deadline::Now).unwrap_err(), Refusal::Again);
            }
        };
        examine(&mut sites, &[], &at_walk);
        let expected: Vec<_> = (0..3).map(|at| at != holder).collect();
        assert_eq!(ended(&sites), expected, "{holder}");
        assert!(sites[holder].pair.is_kicked(), "its kick was not armed");
        sites[holder].handle(Event::Kicked(CLIENT));
        examine(&mut sites, &[], &|_| ());
        assert_eq!(ended(&sites), [true; 3]);
        let evidence = sites[holder].end.as_ref().unwrap();
        assert_eq!(evidence.counts.frames_returned, 1);
        let mut readings = evidence.readings.iter().filter(|it| it.name != "mapping");
        assert!(readings.all(|it| it.says == Says::Zero), "{evidence:?}");
        assert!(evidence.disagreements.is_empty(), "{evidence:?}");
    }
}
