//! Sessions that are examined together, with callers that are hostile or come at the wrong moment:
//! each session is judged by what was read of it, after its own gate was closed.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

#[path = "played/ledgers.rs"]
#[expect(dead_code, reason = "the sequences use all of it")]
mod ledgers;
#[path = "../../ipc/tests/rig/pair.rs"]
mod rig;
#[path = "played/seen.rs"]
mod seen;

use std::cell::RefCell;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use onair_ipc::caller::{Deadline, Lease, Refusal};
use onair_ipc::frames::FrameMemory;
use onair_ipc::layout::Geometry;
use onair_session::{
    Admission, Destroy, Effect, Event, Evidence, Examination, Examined, Exit, Order, Reply,
    SessionCore, SiteFinding, SiteQuestion, View, examine_together,
};
use onair_types::{Direction, Operation, Says, SessionId, SessionName, Via, Who};

use self::ledgers::Ledgers;
use self::rig::Pair;
use self::seen::{Facts, Seen};

const CLIENT: u64 = 1;

fn who(pid: u32) -> Who {
    Who {
        uid: 0,
        gid: 0,
        pid,
        command: "test".into(),
        via: Via::Control,
    }
}

/// What the kernel shows, and what happens while it is asked.
struct World<'a> {
    session: SessionId,
    /// Sessions with a caller that only the kernel sees.
    hidden: &'a [SessionId],
    /// Runs when the kernel's list is read for a session.
    at_walk: &'a dyn Fn(SessionId),
    now: Instant,
}

impl Facts for World<'_> {
    fn now(&self) -> Instant {
        self.now
    }

    fn session(&self) -> SessionId {
        self.session
    }

    fn asleep(&self, session: SessionId) -> Vec<u64> {
        (self.at_walk)(session);
        let is_hidden = self.hidden.contains(&session);
        is_hidden.then_some(CLIENT).into_iter().collect()
    }

    fn is_gone(&self, _: u64) -> bool {
        false
    }

    fn is_ending(&self, _: u32) -> bool {
        false
    }
}

/// A session with one client.
struct Site {
    core: SessionCore<Ledgers>,
    pair: Pair,
    runtime: Option<Box<Ledgers>>,
    is_due: bool,
    is_ready: bool,
    /// Owners of slots that helper threads are asked about.
    suspects: Vec<u32>,
    end: Option<Box<Evidence>>,
    now: Instant,
    /// What helper threads are asked of sites waits here, if this is `Some`.
    unanswered: Option<Vec<SiteQuestion>>,
}

impl Site {
    /// It runs, and its poller has it.
    fn new(id: u64) -> Self {
        let frames = FrameMemory::create(Geometry::new(2, 100).unwrap(), true).unwrap();
        let pair = Pair::new(CLIENT, false, &frames, true);
        pair.memory.stop();
        let core = SessionCore::new(
            SessionId(id),
            SessionName::try_from(format!("test{id}")).unwrap(),
            Direction::Receive,
            Box::new(Ledgers::default()),
            Some(frames),
            None,
        );
        let memory = Arc::clone(&pair.memory);
        let mut site = Self {
            core,
            pair,
            runtime: None,
            is_due: false,
            is_ready: false,
            suspects: Vec::new(),
            end: None,
            now: Instant::now(),
            unanswered: None,
        };
        site.handle(Event::Admit(Box::new(Admission {
            number: CLIENT,
            who: who(2),
            memory,
            frames: None,
            watched: Some(2),
            quota: 2,
        })));
        site.handle(Event::Start(Reply::unread()));
        site
    }

    fn take(&mut self) -> Lease {
        self.runtime.as_mut().unwrap().publish(0);
        self.pair.client.get(Deadline::Now).unwrap()
    }

    /// A caller that is blocked in it, and the owner of its slot.
    fn block(&self) -> (JoinHandle<Refusal>, u32) {
        let client = self.pair.client.clone();
        let caller = std::thread::spawn(move || client.get(Deadline::Never).unwrap_err());
        loop {
            match self.pair.memory.users().as_slice() {
                [slot] if slot.owner != 0 => return (caller, slot.owner),
                _ => std::thread::yield_now(),
            }
        }
    }

    /// Wakes the caller of a stopped session until it has left.
    fn join(&self, caller: JoinHandle<Refusal>) {
        while !caller.is_finished() {
            self.pair.memory.notify_all();
            self.pair.memory.wake_some(64);
            std::thread::yield_now();
        }
        assert_eq!(caller.join().unwrap(), Refusal::Again);
    }

    /// Stops it; its poller hands it back.
    fn halt(&mut self) {
        self.handle(Event::Stop);
        let runtime = self.runtime.take().unwrap();
        self.handle(Event::HandedBack(runtime));
    }

    /// Stops it, and begins to destroy it.
    fn stop(&mut self, waits_for_turn: bool) {
        self.halt();
        self.destroy(waits_for_turn);
    }

    fn destroy(&mut self, waits_for_turn: bool) {
        self.handle(Event::Destroy(Destroy {
            who: who(1),
            operation: Operation::Shutdown,
            deadline: Some(self.now + Duration::from_secs(1)),
            deadline_ms: Some(1000),
            waits_for_turn,
            reply: Reply::unread(),
        }));
        self.is_due = true;
    }

    fn handle(&mut self, event: Event<Ledgers>) {
        let seen = Seen(World {
            session: self.core.id(),
            hidden: &[],
            at_walk: &|_| (),
            now: self.now,
        });
        for effect in self.core.handle(event, &seen) {
            self.execute(effect);
        }
    }

    /// The sites are armed.
    fn answer(&mut self, question: SiteQuestion) {
        self.handle(Event::SitesLookedAt {
            attachment: question.attachment,
            asked_at: question.asked_at,
            found: SiteFinding::Armed,
        });
    }

    fn execute(&mut self, effect: Effect<Ledgers>) {
        match effect {
            Effect::Poller(Order::Start(runtime)) => self.runtime = Some(runtime),
            Effect::LookAtSites(question) => match &mut self.unanswered {
                Some(questions) => questions.push(question),
                None => self.answer(question),
            },
            Effect::LookAtThreads(question) => {
                let owners = question.suspects.iter().map(|slot| slot.owner);
                self.suspects.extend(owners);
            }
            Effect::Examine => self.is_due = true,
            Effect::Ready => self.is_ready = true,
            Effect::Destroyed { evidence, .. } => self.end = Some(evidence),
            _ => {}
        }
    }
}

/// Examines the sessions that are due, and then those that are ready, until none is.
fn examine(sites: &mut [Site], hidden: &[SessionId], at_walk: &dyn Fn(SessionId)) {
    for why in [Examination::Due, Examination::InTurn].repeat(4) {
        examine_once(sites, why, hidden, at_walk);
    }
}

fn examine_once(
    sites: &mut [Site],
    why: Examination,
    hidden: &[SessionId],
    at_walk: &dyn Fn(SessionId),
) {
    let wanted = |it: &mut Site| match why {
        Examination::Due => std::mem::take(&mut it.is_due),
        Examination::InTurn => std::mem::take(&mut it.is_ready),
    };
    let mut all: Vec<&mut Site> = sites.iter_mut().filter(|it| it.end.is_none()).collect();
    all.retain_mut(|it| wanted(it));
    let seen: Vec<_> = all
        .iter()
        .map(|it| {
            Seen(World {
                session: it.core.id(),
                hidden,
                at_walk,
                now: it.now,
            })
        })
        .collect();
    let examined = all.iter_mut().zip(&seen).map(|(site, view)| Examined {
        core: &mut site.core,
        view: view as &dyn View,
    });
    for (id, effects) in examine_together(examined.collect(), why) {
        let site = all.iter_mut().find(|it| it.core.id() == id).unwrap();
        effects.into_iter().for_each(|effect| site.execute(effect));
    }
}

fn ended(sites: &[Site]) -> Vec<bool> {
    sites.iter().map(|it| it.end.is_some()).collect()
}

#[test]
fn together_a_caller_that_only_the_kernel_sees_then_its_session_alone_stays() {
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
fn together_a_frame_held_in_one_then_that_one_stays_and_its_put_kicks() {
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

#[test]
fn rescans_end_while_the_sites_or_its_turn_is_awaited_and_go_on_if_it_cannot_end_then() {
    let rescans = |site: &Site| site.core.wake_at().unwrap() <= site.now + Duration::from_millis(1);
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
fn threads_that_end_together_then_each_slot_that_one_left_is_looked_at() {
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
fn thread_ends_inside_amid_a_destroy_without_users_then_looked_for_as_soon_as_it_is_seen() {
    let mut sites = [Site::new(1)];
    sites[0].unanswered = Some(Vec::new());
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
    sites[0].pair.memory.stop();
    sites[0].join(caller);
}

#[test]
fn threads_end_then_examined_unless_the_last_examination_saw_no_caller_and_no_loan() {
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
    sites[0].handle(Event::Start(Reply::unread()));
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
