//! What a stopped session waits for: rescans, and the ends of its clients' threads.

use std::time::Duration;

use onair_api::SessionId;
use onair_ipc::caller::Refusal;
use onair_session::{Event, EvictionTicket, Examination, Exit, Ticket};

use crate::site::{CLIENT, Site, ended, examine, examine_once, who};

#[test]
fn rescans_end_while_the_sites_or_a_turn_is_awaited() {
    let soon = |site: &Site| site.now + Duration::from_millis(1);
    let rescans = |site: &Site| site.core.wake_at().is_some_and(|at| at <= soon(site));
    let mut sites = [Site::new(1)];
    sites[0].unanswered = Some(Vec::new());
    sites[0].stop(true);
    assert!(rescans(&sites[0]));
    examine_once(&mut sites, Examination::Due, &[], &|_| ());
    let questions = sites[0].unanswered.take().unwrap();
    assert!(questions.len() == 1 && !rescans(&sites[0]));
    sites[0].answer(questions[0]);
    examine_once(&mut sites, Examination::Due, &[], &|_| ());
    assert!(sites[0].is_ready && !rescans(&sites[0]));
    let hidden = [SessionId(1)];
    examine_once(&mut sites, Examination::InTurn, &hidden, &|_| ());
    assert!(sites[0].end.is_none() && rescans(&sites[0]));
    sites[0].now += Duration::from_millis(1);
    sites[0].handle(Event::Tick);
    examine(&mut sites, &[], &|_| ());
    assert!(sites[0].end.is_some());
}

#[test]
fn threads_that_end_together_then_each_left_slot_is_examined() {
    let mut sites = [Site::new(1)];
    let (caller, inside) = sites[0].block();
    let exit = |tid| Exit { own_tid: tid, tid };
    for at in 0..3 {
        // The others had left their slots.
        let mut exits: Vec<_> = (1..=2).map(exit).collect();
        exits.insert(at, exit(inside));
        let site = &mut sites[0];
        site.handle(Event::ThreadsEnded { tgid: 2, exits });
        examine(&mut sites, &[], &|_| ());
        assert_eq!(std::mem::take(&mut sites[0].suspects), [inside], "{at}");
        sites[0].handle(Event::ThreadsLookedAt {
            attachment: CLIENT,
            dead: Vec::new(),
            again: false,
            cost: Duration::ZERO,
        });
    }
    sites[0].stop(false);
    sites[0].join(caller);
}

#[test]
fn thread_ends_inside_amid_a_destroy_then_looked_for_first() {
    for timeout in [None, Some(Duration::from_secs(1))] {
        let mut sites = [Site::new(1)];
        sites[0].unanswered = Some(Vec::new());
        sites[0].timeout = timeout;
        sites[0].stop(false);
        examine(&mut sites, &[], &|_| ());
        // As a caller that found the gate open just before: it is seen by the next examination only.
        sites[0].pair.memory.start();
        let (caller, inside) = sites[0].block();
        let exits = vec![Exit {
            own_tid: inside,
            tid: inside,
        }];
        sites[0].handle(Event::ThreadsEnded { tgid: 2, exits });
        examine(&mut sites, &[], &|_| ());
        assert!(sites[0].suspects.is_empty());
        let questions = sites[0].unanswered.take().unwrap();
        questions.into_iter().for_each(|it| sites[0].answer(it));
        examine(&mut sites, &[], &|_| ());
        assert_eq!(sites[0].suspects, [inside]);
        assert!(sites[0].core.life().is_draining());
        sites[0].pair.memory.stop();
        sites[0].join(caller);
    }
}

#[test]
fn user_stays_then_its_thread_is_looked_for_after_63_or_15_ms() {
    for (watched, expected) in [(Some(2), 63), (None, 15)] {
        let mut site = Site::watched(1, watched);
        site.halt();
        site.pair.memory.start();
        let (caller, inside) = site.block();
        site.destroy(false);
        let sites = &mut [site];
        let start = sites[0].now;
        let mut asked = None;
        while asked.is_none() && sites[0].now < start + Duration::from_millis(200) {
            sites[0].now += Duration::from_millis(1);
            sites[0].handle(Event::Tick);
            examine(sites, &[], &|_| ());
            asked = sites[0].suspects.first().copied();
        }
        let waited = sites[0].now.duration_since(start).as_millis();
        assert_eq!((asked, waited), (Some(inside), expected));
        sites[0].pair.memory.stop();
        sites[0].join(caller);
    }
}

#[test]
fn threads_end_then_examined_unless_no_caller_or_loan_was_seen() {
    let mut sites = [Site::new(1)];
    sites[0].unanswered = Some(Vec::new());
    let end_threads = |site: &mut Site| {
        let exits = vec![Exit { own_tid: 9, tid: 9 }];
        site.handle(Event::ThreadsEnded { tgid: 2, exits });
        std::mem::take(&mut site.is_due)
    };
    // A run whose users have left.
    sites[0].halt();
    sites[0].is_due = true;
    examine(&mut sites, &[], &|_| ());
    assert!(!end_threads(&mut sites[0]), "the run before");
    sites[0].handle(Event::Start(Ticket::unread()));
    let held = sites[0].take();
    assert!(!end_threads(&mut sites[0]), "it runs");
    sites[0].halt();
    sites[0].is_due = false;
    assert!(end_threads(&mut sites[0]), "not examined since the stop");
    sites[0].destroy(false);
    sites[0].is_due = true;
    examine(&mut sites, &[], &|_| ());
    assert!(end_threads(&mut sites[0]), "a frame is out");
    let client = sites[0].pair.client.clone();
    client.put(held).unwrap();
    // Its thread died before it could kick.
    assert!(sites[0].pair.is_kicked());
    assert!(end_threads(&mut sites[0]));
    sites[0].is_due = true;
    examine(&mut sites, &[SessionId(1)], &|_| ());
    assert!(end_threads(&mut sites[0]), "the kernel sees a caller");
    sites[0].is_due = true;
    examine(&mut sites, &[], &|_| ());
    // Only the sites are to be looked at still: hundreds of threads may end meanwhile.
    assert!(!end_threads(&mut sites[0]));
    let questions = sites[0].unanswered.take().unwrap();
    assert_eq!(ended(&sites), [false]);
    questions.into_iter().for_each(|it| sites[0].answer(it));
    examine(&mut sites, &[], &|_| ());
    assert_eq!(ended(&sites), [true]);
}

#[test]
fn client_evicted_while_it_runs_then_its_frames_are_revoked() {
    let mut site = Site::new(1);
    let all = EvictionTicket::All(Ticket::unread());
    site.handle(Event::Evict(None, all));
    assert_eq!(site.to_evict, [CLIENT]);
}

#[test]
fn quarantined_amid_a_look_at_threads_then_no_timer_in_the_past() {
    let mut sites = [Site::new(1)];
    sites[0].halt();
    // As a caller that found the gate open just before: it does not leave.
    sites[0].pair.memory.start();
    let (caller, inside) = sites[0].block();
    let exits = vec![Exit {
        own_tid: inside,
        tid: inside,
    }];
    sites[0].handle(Event::ThreadsEnded { tgid: 2, exits });
    examine(&mut sites, &[], &|_| ());
    assert_eq!(sites[0].suspects, [inside]);
    sites[0].handle(Event::ThreadsLookedAt {
        attachment: CLIENT,
        dead: Vec::new(),
        again: true,
        cost: Duration::ZERO,
    });
    sites[0].handle(Event::Quarantine(who(1)));
    for _ in 0..20 {
        sites[0].now = sites[0].core.wake_at().unwrap();
        sites[0].handle(Event::Tick);
        examine(&mut sites, &[], &|_| ());
        assert!(sites[0].core.wake_at() > Some(sites[0].now));
    }
    sites[0].join_refused(caller, Refusal::Stale);
}

#[test]
fn ready_for_its_turn_and_deadline_over_then_no_timer_is_past() {
    let mut sites = [Site::new(1)];
    let timeout = Duration::from_millis(50);
    sites[0].timeout = Some(timeout);
    sites[0].stop(true);
    for _ in 0..4 {
        examine_once(&mut sites, Examination::Due, &[], &|_| ());
    }
    assert!(sites[0].is_ready);
    sites[0].now += timeout;
    let wake_at = sites[0].core.wake_at();
    assert!(wake_at.is_none_or(|at| at > sites[0].now));
    examine_once(&mut sites, Examination::InTurn, &[], &|_| ());
    assert!(sites[0].end.is_some());
}

#[test]
fn creators_destroy_refused_then_runs_again_unless_stopped() {
    for is_stopped_since in [false, true] {
        let mut sites = [Site::new(1)];
        let lease = sites[0].take();
        sites[0].destroy_by_creator();
        examine(&mut sites, &[], &|_| ());
        assert!(sites[0].runtime.is_none(), "it is stopped while it drains");
        if is_stopped_since {
            sites[0].handle(Event::Stop);
        }
        sites[0].now += Duration::from_secs(2);
        sites[0].handle(Event::Tick);
        examine(&mut sites, &[], &|_| ());
        assert!(sites[0].end.is_none(), "a buffer is on loan");
        assert_eq!(sites[0].runtime.is_some(), !is_stopped_since);
        drop(lease);
    }
}
