//! State of the world: the daemon, the clients, the open requests.

mod request;

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::time::Duration;

use onair_api::ProblemCode;
use onair_api::operations::EventQuery;
use onair_engine::events::{LastSeen, Subscription};
use onair_engine::inputs::{Action, Input};
use onair_engine::services::reply::Reply;
use onair_ipc::caller::Lease;
use onair_sim_machine::life::client::{Client, Peer};
use onair_sim_machine::life::{Life, root};
use onair_sim_machine::{DiskState, Helpers, POLLERS, Recorder};

pub(crate) use self::request::{Answer, Open, Purpose, Request};
use crate::air::Air;
use crate::oracle::Facts;
use crate::plan::{EngineDeedKind, EnginePlan};

/// How long a shutdown may take beside the time that users have.
const ENDING: Duration = Duration::from_secs(10);

/// After so long, what stood has gone on.
const FREE: Duration = Duration::from_millis(300);

/// A client process that is attached.
#[derive(Debug)]
pub(crate) struct Guest {
    pub(crate) client: Client,
    pub(crate) peer: Peer,
    pub(crate) role: usize,
    /// Frames that it holds.
    pub(crate) leases: Vec<Lease>,
    /// The number of the frame that it took last, if it receives.
    pub(crate) taken: Option<u64>,
    /// It takes frames and hands them in all the time.
    pub(crate) works: bool,
    /// Callers that the kernel sees.
    pub(crate) blocked: u64,
    pub(crate) is_hung_up: bool,
}

impl Guest {
    pub(crate) fn session(&self) -> u64 {
        self.client.attachment.session()
    }

    pub(crate) fn number(&self) -> u64 {
        self.client.attachment.attachment()
    }
}

/// Memory that a client has passed on.
#[derive(Debug)]
pub(crate) struct PassedOn {
    pub(crate) session: u64,
    /// Its frames can be written.
    pub(crate) writes: bool,
    /// Held open, and no more.
    pub(crate) _files: [OwnedFd; 3],
}

/// Faults that are in force now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hindrances {
    pub(crate) pollers: [bool; POLLERS],
    pub(crate) helpers: Helpers,
    pub(crate) recorder: Recorder,
    pub(crate) disk: DiskState,
    pub(crate) is_blind: bool,
    pub(crate) reclaimer: bool,
}

/// A life, as it is now.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) plan: EnginePlan,
    life: Option<Life>,
    pub(crate) air: Air,
    pub(crate) guests: Vec<Guest>,
    pub(crate) passed_on: Vec<PassedOn>,
    pub(crate) requests: Vec<Request>,
    pub(crate) hindrances: Hindrances,
    /// When that changed.
    hindered_at: Duration,
    pub(crate) facts: Facts,
    pub(crate) events: Subscription,
    pub(crate) daemons: u32,
    pub(crate) asked: u32,
    /// The number of the request that was answered last, and what it was told.
    pub(crate) last_answer: Option<(u32, EngineDeedKind, Result<(), ProblemCode>)>,
    /// The daemon shuts down.
    pub(crate) is_ending: bool,
    /// Sessions that drain although no request waits for them, since then.
    pub(crate) drains_since: BTreeMap<u64, Duration>,
    pub(crate) count: u64,
    pub(crate) trace: Vec<String>,
    pub(crate) is_traced: bool,
}

impl Stage {
    pub(crate) fn new(plan: &EnginePlan, is_traced: bool) -> Self {
        let mut life = Life::with(&configuration(plan));
        life.set_step(Duration::from_millis(plan.step));
        let events = follow(&mut life, 1);
        Self {
            plan: plan.clone(),
            life: Some(life),
            air: Air::new(plan.seed),
            guests: Vec::new(),
            passed_on: Vec::new(),
            requests: Vec::new(),
            hindrances: Hindrances::default(),
            hindered_at: Duration::ZERO,
            facts: Facts::default(),
            events,
            daemons: 1,
            asked: 0,
            last_answer: None,
            is_ending: false,
            drains_since: BTreeMap::new(),
            count: 0,
            trace: Vec::new(),
            is_traced,
        }
    }

    /// The daemon.
    pub(crate) const fn life(&mut self) -> &mut Life {
        self.life.as_mut().expect("one lives at any time")
    }

    /// The daemon is gone, in a power cut or alone, and the next one starts.
    pub(crate) fn next_daemon(&mut self, is_power_cut: bool) {
        self.drains_since.clear();
        let before = self.life.take().expect("one lives at any time");
        let mut life = match is_power_cut {
            true => before.after_power_cut(),
            false => before.again(),
        };
        self.daemons += 1;
        self.events = follow(&mut life, self.daemons);
        self.life = Some(life);
        self.hinder(Hindrances::default());
    }

    /// Lives until the daemon has ended all sessions.
    pub(crate) fn live_to_the_end(&mut self, graceful: Duration) {
        let passed = self.life().world.passed();
        let most = passed + graceful + ENDING;
        while !self.life().is_over() && self.facts.violations.is_empty() {
            self.live(Duration::from_millis(20));
            if self.life().world.passed() > most {
                return self.violate("the daemon does not end".into());
            }
        }
        let ended = self.life().end();
        self.observe();
        self.check_outcomes(&ended, graceful);
    }

    /// From now on this stands or fails.
    pub(crate) fn hinder(&mut self, now: Hindrances) {
        if now != self.hindrances {
            self.hindrances = now;
            self.hindered_at = self.life().world.passed();
        }
        let world = &mut self.life().world;
        world.let_pollers_stand(now.pollers);
        world.set_helpers(now.helpers);
        world.set_recorder(now.recorder);
        world.set_disk(now.disk);
        world.set_blind(now.is_blind);
        world.let_reclaimer_stand(now.reclaimer);
    }

    /// Lives for so long, and looks at what happens.
    pub(crate) fn live(&mut self, time: Duration) {
        let step = Duration::from_millis(self.plan.step.max(50));
        let mut left = time;
        while !left.is_zero() {
            let now = left.min(step);
            if self.plan.is_on_air {
                let Self { air, life, .. } = self;
                air.arrive(&mut life.as_mut().expect("one lives at any time").world);
            }
            self.let_clients_work();
            self.life().live(now);
            left -= now;
            if self.hindrances == Hindrances::default() {
                self.requests.iter_mut().for_each(|it| it.spend(now));
            }
            self.observe();
        }
        self.follow_shutdown();
    }

    /// The daemon has begun to end, because a poller is lost: it ends in order.
    fn follow_shutdown(&mut self) {
        if self.is_shutting_down() && !self.is_ending && self.facts.violations.is_empty() {
            self.note(|| "the daemon ends by itself".into());
            self.check_own_end();
            self.shut_down(Duration::from_millis(200));
        }
    }

    pub(crate) fn is_shutting_down(&mut self) -> bool {
        self.life().world.shutdown().is_shutting_down()
    }

    /// Whether nothing has stood in the way for a while.
    pub(crate) fn is_free(&mut self) -> bool {
        let since = self.life().world.passed() - self.hindered_at;
        self.hindrances == Hindrances::default() && since > FREE
    }

    /// Notes what happened.
    pub(crate) fn note(&mut self, what: impl FnOnce() -> String) {
        self.count += 1;
        if self.is_traced {
            let ms = self.life().world.passed().as_millis();
            self.trace.push(format!("{ms:>8} {}", what()));
        }
    }

    /// Clients of a session.
    pub(crate) fn guests_of(&self, session: u64) -> impl Iterator<Item = &Guest> {
        self.guests.iter().filter(move |it| it.session() == session)
    }
}

fn configuration(plan: &EnginePlan) -> String {
    let policy = format!("{:?}", plan.policy).to_lowercase();
    let on_death = if plan.goes_on { "continue" } else { "drain" };
    format!(
        "[limits]\nsessions = {}\nframe_memory_mb = {}\ndeparted = {}\n[shutdown]\npolicy = \"{policy}\"\n\
         on_poller_death = \"{on_death}\"\n\
         [recorder]\nfinish_ms = 1000\n",
        plan.sessions, plan.memory, plan.departed
    )
}

/// Reads all events of the daemon.
fn follow(life: &mut Life, incarnation: u32) -> Subscription {
    let (reply, answer) = Reply::new();
    life.take(Input::Action(Action::Subscribe {
        caller: root(),
        query: EventQuery::default(),
        after: Some(LastSeen {
            incarnation: Some(incarnation),
            sequence: 0,
        }),
        reply,
    }));
    life.wait(answer).expect("there is room for a reader")
}
