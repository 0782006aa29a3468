//! The control thread's state: real cores with their certificates, the archive and the store.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::{Duration, Instant};

use onair_api::{Certificate, Direction, Operation, SessionId, SessionRef, SessionSpec, Via, Who};
use onair_archive::{Archive, CertificateJob, SessionJob, Store, when_durable};
use onair_ipc::frames::FrameMemory;
use onair_ipc::layout::Geometry;
use onair_session::{
    Destroy, Effect, Event, Examination, Examined, PollerCommand, SessionCore, Ticket,
    examine_together,
};
use onair_sim_kernel::chance;

use super::certificate::{complete, pending, write};
use super::device::{Desk, device, kill};
use super::plan::DiskPlan;
use super::{now, promises, scene, trace};
use crate::daemon::{Played, Seen};
use crate::ledgers::Ledgers;

/// `timeouts.durable_ms` of the daemon.
const DURABLE: Duration = Duration::from_secs(2);

/// A core's view: a session without clients.
pub(super) struct Alone(pub(super) SessionId);

impl Played for Alone {
    fn now(&self) -> Instant {
        now()
    }

    fn asleep(&self, _: SessionId) -> Vec<u64> {
        Vec::new()
    }

    fn session(&self) -> SessionId {
        self.0
    }

    fn is_gone(&self, _: u64) -> bool {
        true
    }

    fn is_ending(&self, _: u32) -> bool {
        false
    }
}

/// One session.
pub(super) struct Live {
    pub(super) spec: SessionSpec,
    pub(super) core: SessionCore<Ledgers>,
    /// Its poller has it.
    pub(super) runtime: Option<Box<Ledgers>>,
    pub(super) events: VecDeque<Event<Ledgers>>,
    pub(super) is_due: bool,
    /// It is quarantined: its name is free.
    pub(super) is_aside: bool,
}

/// The control thread's own state.
pub(super) struct Daemon {
    pub(super) plan: Rc<DiskPlan>,
    pub(super) archive: Archive<Desk<CertificateJob>>,
    pub(super) store: Store<Desk<SessionJob>>,
    pub(super) sessions: BTreeMap<SessionId, Live>,
    /// Certificates of sessions whose memory is mapped.
    pub(super) pending: Vec<SessionId>,
    pub(super) incarnation: u32,
    pub(super) counter: u32,
    pub(super) patrol_at: Instant,
}

pub(super) fn operator() -> Who {
    Who {
        uid: 0,
        gid: 0,
        pid: 1,
        command: "operator".into(),
        via: Via::Control,
    }
}

pub(super) fn this_daemon() -> Who {
    Who {
        via: Via::Daemon,
        ..operator()
    }
}

impl Daemon {
    pub(super) fn make(&mut self, spec: SessionSpec) -> SessionId {
        self.counter += 1;
        let id = SessionId::new(self.incarnation, self.counter);
        let geometry = Geometry::new(1, 64).expect("valid");
        let frames = FrameMemory::create(geometry, true).expect("memory");
        let runtime = Box::new(Ledgers::default());
        let (name, direction) = (spec.name.clone(), Direction::Receive);
        let live = Live {
            spec,
            core: SessionCore::new(id, name, direction, runtime, Some(frames), None),
            runtime: None,
            events: VecDeque::new(),
            is_due: false,
            is_aside: false,
        };
        self.sessions.insert(id, live);
        id
    }

    pub(super) fn stop_core(&mut self, id: SessionId) {
        self.handle(id, Event::Stop);
        while let Some(event) = self
            .sessions
            .get_mut(&id)
            .and_then(|it| it.events.pop_front())
        {
            self.handle(id, event);
        }
    }

    pub(super) fn destroy(&mut self, id: SessionId, operation: Operation, who: Who) {
        let destroy = Destroy {
            who,
            operation,
            deadline: None,
            deadline_ms: None,
            waits_for_turn: false,
            stops: false,
            ticket: Ticket::unread(),
        };
        self.handle(
            id,
            match operation {
                Operation::Abort => Event::Abort(destroy),
                _ => Event::Destroy(destroy),
            },
        );
    }

    pub(super) fn handle(&mut self, id: SessionId, event: Event<Ledgers>) {
        let Some(live) = self.sessions.get_mut(&id) else {
            return;
        };
        live.is_due |= matches!(
            event,
            Event::Stop | Event::HandedBack(_) | Event::Quarantine(_)
        );
        let seen = Seen(Alone(id));
        let effects = live.core.handle(event, seen.facts(), &seen);
        self.execute(id, effects);
    }

    pub(super) fn examine(&mut self) -> bool {
        let due = self.sessions.iter_mut().find(|(_, it)| it.is_due);
        let Some((id, live)) = due else {
            return false;
        };
        live.is_due = false;
        let (id, view) = (*id, Seen(Alone(*id)));
        let member = Examined {
            core: &mut live.core,
            facts: view.facts(),
            view: &view,
        };
        for (of, effects) in examine_together(vec![member], Examination::Due) {
            debug_assert_eq!(of, id);
            self.execute(id, effects);
        }
        true
    }

    fn execute(&mut self, id: SessionId, effects: Vec<Effect<Ledgers>>) {
        for effect in effects {
            let Some(live) = self.sessions.get_mut(&id) else {
                return;
            };
            match effect {
                Effect::Poller(PollerCommand::Start(runtime)) => live.runtime = Some(runtime),
                Effect::Poller(PollerCommand::Quiesce) => {
                    let back = live.runtime.take().map(Event::HandedBack);
                    live.events.extend(back);
                }
                Effect::Examine => live.is_due = true,
                Effect::Quarantined(evidence) => {
                    live.is_aside = true;
                    let name = live.spec.name.clone();
                    let form = self.keep(pending(write(id, &name, &operator(), *evidence)));
                    self.gone(id, Via::Control);
                    self.answer_when_durable(id, form);
                }
                Effect::Destroyed {
                    evidence, destroy, ..
                } => {
                    let name = live.spec.name.clone();
                    let certificate = write(id, &name, &operator(), *evidence);
                    let form = self.conclude(id, certificate);
                    let via = destroy.who.via;
                    self.gone(id, via);
                    self.sessions.remove(&id);
                    if via != Via::Daemon {
                        self.answer_when_durable(id, form);
                    }
                }
                Effect::Freed {
                    counts,
                    reconciled,
                    evicted,
                    ..
                } => {
                    if let Some(mut found) = self.archive.find(&SessionRef::Id(id)).cloned() {
                        found.counts = counts;
                        found.reconciled = reconciled;
                        found.evicted = evicted;
                        self.conclude(id, found);
                    }
                    self.sessions.remove(&id);
                }
                _ => {}
            }
        }
        if let Some(live) = self.sessions.get(&id)
            && !live.is_aside
            && live.spec.persistent
            // Of what the disk refuses, nothing is promised.
            && self.store.unwritten().is_none()
        {
            promises::reached(&live.spec.name, live.core.life().generation());
        }
    }

    /// A session has ended; perhaps a process still has its memory mapped.
    fn conclude(&mut self, id: SessionId, certificate: Certificate) -> usize {
        if chance(self.plan.mapped, 4) {
            self.pending.push(id);
            return self.keep(pending(certificate));
        }
        self.keep(complete(certificate))
    }

    pub(super) fn keep(&mut self, certificate: Certificate) -> usize {
        let form = promises::issued(&certificate, self.plan.certificates);
        self.archive.keep(certificate);
        form
    }

    /// As the daemon's actor: a session is gone.
    fn gone(&mut self, id: SessionId, via: Via) {
        let live = &self.sessions[&id];
        let (name, generation) = (&live.spec.name, live.core.life().generation());
        // First: the daemon may die as soon as the disk has it.
        if via != Via::Daemon && promises::wanted(name).is_some() {
            promises::want(name, None);
        }
        self.store.end(name, via, generation, None);
    }

    pub(super) fn answer_when_durable(&mut self, id: SessionId, form: usize) {
        let live_name = self
            .archive
            .find(&SessionRef::Id(id))
            .map(|it| it.name.clone());
        let Some(name) = live_name else {
            return;
        };
        let number = id.0;
        let wish = promises::wanted(&name)
            .is_none()
            .then(|| promises::want(&name, None));
        let (own, until) = (name.clone(), now() + DURABLE);
        when_durable(&self.archive, &self.store, id, &name, move |is_durable| {
            trace(|| format!("answer {number}: durable {is_durable}"));
            if is_durable && now() < until {
                promises::told_certificate(id, form);
                if let Some(wish) = wish {
                    promises::told_session(&own, wish);
                }
                answered();
            }
        });
    }
}

/// An operator has an answer. Perhaps it is the daemon's last.
pub(super) fn answered() {
    if scene(|it| std::mem::take(&mut it.dies_at_answer)) {
        device(|it| it.dies_in = Some(1));
        kill();
    }
}
