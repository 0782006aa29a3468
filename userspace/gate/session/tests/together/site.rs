//! A session with one client, and what examines it.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use onair_api::{Direction, Operation, SessionId, SessionName, Via, Who};
use onair_ipc::caller::{Deadline, Lease, Refusal};
use onair_ipc::frames::FrameMemory;
use onair_ipc::layout::Geometry;
use onair_session::{
    Admission, Destroy, Effect, Event, Evidence, Examination, Examined, PollerCommand, SessionCore,
    SiteFinding, SiteQuestion, Ticket, View, examine_together,
};

use crate::ledgers::Ledgers;
use crate::rig::Pair;
use crate::seen::{Played, Seen};

pub(crate) const CLIENT: u64 = 1;

pub(crate) fn who(pid: u32) -> Who {
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

impl Played for World<'_> {
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
pub(crate) struct Site {
    pub(crate) core: SessionCore<Ledgers>,
    pub(crate) pair: Pair,
    pub(crate) runtime: Option<Box<Ledgers>>,
    pub(crate) is_due: bool,
    pub(crate) is_ready: bool,
    /// Owners of slots that helper threads are asked about.
    pub(crate) suspects: Vec<u32>,
    /// Attachments whose frames the poller is to take back.
    pub(crate) to_evict: Vec<u64>,
    pub(crate) end: Option<Box<Evidence>>,
    pub(crate) now: Instant,
    /// How long its destroy waits for users.
    pub(crate) timeout: Option<Duration>,
    /// What helper threads are asked of sites waits here, if this is `Some`.
    pub(crate) unanswered: Option<Vec<SiteQuestion>>,
}

impl Site {
    /// It runs, and its poller has it.
    pub(crate) fn new(id: u64) -> Self {
        Self::watched(id, Some(2))
    }

    /// As [`Self::new`]; the probe watches its client's process as this one.
    pub(crate) fn watched(id: u64, watched: Option<u32>) -> Self {
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
            to_evict: Vec::new(),
            end: None,
            now: Instant::now(),
            timeout: Some(Duration::from_secs(1)),
            unanswered: None,
        };
        site.handle(Event::Admit(Box::new(Admission {
            number: CLIENT,
            who: who(2),
            memory,
            frames: None,
            fills: false,
            samples: false,
            watched,
            quota: 2,
            after: None,
        })));
        site.handle(Event::Start(Ticket::unread()));
        site
    }

    pub(crate) fn take(&mut self) -> Lease {
        self.runtime.as_mut().unwrap().publish(0);
        self.pair.client.get(Deadline::Now).unwrap()
    }

    /// A caller that is blocked in it, and the owner of its slot.
    pub(crate) fn block(&self) -> (JoinHandle<Refusal>, u32) {
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
    pub(crate) fn join(&self, caller: JoinHandle<Refusal>) {
        self.join_refused(caller, Refusal::Again);
    }

    pub(crate) fn join_refused(&self, caller: JoinHandle<Refusal>, expected: Refusal) {
        while !caller.is_finished() {
            self.pair.memory.notify_all();
            self.pair.memory.wake_some(64);
            std::thread::yield_now();
        }
        assert_eq!(caller.join().unwrap(), expected);
    }

    /// Stops it; its poller hands it back.
    pub(crate) fn halt(&mut self) {
        self.handle(Event::Stop);
        let runtime = self.runtime.take().unwrap();
        self.handle(Event::HandedBack(runtime));
    }

    /// Stops it, and begins to destroy it.
    pub(crate) fn stop(&mut self, waits_for_turn: bool) {
        self.halt();
        self.destroy(waits_for_turn);
    }

    pub(crate) fn destroy(&mut self, waits_for_turn: bool) {
        self.begin_destroy(waits_for_turn, false);
    }

    /// Its creator, which has stopped it for itself, destroys it; its poller hands it back.
    pub(crate) fn destroy_by_creator(&mut self) {
        self.begin_destroy(false, true);
        if let Some(runtime) = self.runtime.take() {
            self.handle(Event::HandedBack(runtime));
        }
    }

    fn begin_destroy(&mut self, waits_for_turn: bool, stops: bool) {
        self.handle(Event::Destroy(Destroy {
            who: who(1),
            operation: Operation::Shutdown,
            deadline: self.timeout.map(|timeout| self.now + timeout),
            deadline_ms: None,
            waits_for_turn,
            stops,
            ticket: Ticket::unread(),
        }));
        self.is_due = true;
    }

    pub(crate) fn handle(&mut self, event: Event<Ledgers>) {
        let seen = Seen(World {
            session: self.core.id(),
            hidden: &[],
            at_walk: &|_| (),
            now: self.now,
        });
        for effect in self.core.handle(event, seen.facts(), &seen) {
            self.execute(effect);
        }
    }

    /// The sites are armed.
    pub(crate) fn answer(&mut self, question: SiteQuestion) {
        self.handle(Event::SitesLookedAt {
            attachment: question.attachment,
            asked_at: question.asked_at,
            cost: Duration::ZERO,
            found: SiteFinding::Armed,
        });
    }

    fn execute(&mut self, effect: Effect<Ledgers>) {
        match effect {
            Effect::Poller(PollerCommand::Start(runtime)) => self.runtime = Some(runtime),
            Effect::Poller(PollerCommand::Evict(number)) => self.to_evict.push(number),
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
pub(crate) fn examine(sites: &mut [Site], hidden: &[SessionId], at_walk: &dyn Fn(SessionId)) {
    for why in [Examination::Due, Examination::InTurn].repeat(4) {
        examine_once(sites, why, hidden, at_walk);
    }
}

pub(crate) fn examine_once(
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
        facts: view.facts(),
        view: view as &dyn View,
    });
    for (id, effects) in examine_together(examined.collect(), why) {
        let site = all.iter_mut().find(|it| it.core.id() == id).unwrap();
        effects.into_iter().for_each(|effect| site.execute(effect));
    }
}

pub(crate) fn ended(sites: &[Site]) -> Vec<bool> {
    sites.iter().map(|it| it.end.is_some()).collect()
}
