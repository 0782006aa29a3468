//! One daemon: the control thread with real cores, archive and store, from its start to its death.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use onair_api::{
    Certificate, Direction, Operation, SessionId, SessionName, SessionRef, SessionSpec,
    StoppedBefore, Via, Who,
};
use onair_archive::{
    Archive, BATCH, CertificateFiles, CertificateJob, Host, Note, PersistedSession, Retention,
    SessionFiles, SessionJob, Store, when_durable,
};
use onair_ipc::frames::FrameMemory;
use onair_ipc::layout::Geometry;
use onair_session::{
    Destroy, Effect, Event, Examination, Examined, PollerCommand, SessionCore, Ticket, View as _,
    examine_together,
};
use onair_sim_kernel::{Mortal, chance, current, now_ns, park, sleep};

use super::certificate::{complete, write};
use super::device::{SimDisk, device, kill};
use super::plan::{DiskDeed, DiskDeedKind, DiskPlan};
use super::promises::{self, Wanted};
use super::scene::{Request, now, scene, trace, violation};
use super::writer::Desk;
use super::{STATE, plan};
use crate::daemon::{Played, Seen};
use crate::ledgers::Ledgers;

/// `timeouts.durable_ms` and `timeouts.patrol_ms` of the daemon.
const DURABLE: Duration = Duration::from_secs(2);
const PATROL: Duration = Duration::from_secs(1);

/// What a core sees: a session without clients.
struct Alone(SessionId);

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
struct Live {
    spec: SessionSpec,
    core: SessionCore<Ledgers>,
    /// Its poller has it.
    runtime: Option<Box<Ledgers>>,
    events: VecDeque<Event<Ledgers>>,
    is_due: bool,
    /// It is quarantined: its name is free.
    is_aside: bool,
}

/// An answer to the end of a session, which waits for the disk.
struct Open {
    number: u64,
    until: Instant,
}

/// The control thread's own state.
pub(super) struct Daemon {
    plan: Rc<DiskPlan>,
    archive: Archive<Desk<CertificateJob>>,
    store: Store<Desk<SessionJob>>,
    sessions: BTreeMap<SessionId, Live>,
    /// Certificates of sessions whose memory is mapped.
    pending: Vec<SessionId>,
    incarnation: u32,
    counter: u32,
    answers: Vec<Open>,
    patrol_at: Instant,
}

fn host() -> Host {
    Host {
        disk: &SimDisk,
        now,
        tell,
    }
}

fn tell(note: Note) {
    if let Note::WriterEnded(_) | Note::LogSetAside { .. } = note {
        violation(format!("{note:?}"));
    }
    trace(|| format!("note: {note:?}"));
}

fn operator() -> Who {
    Who {
        uid: 0,
        gid: 0,
        pid: 1,
        command: "operator".into(),
        via: Via::Control,
    }
}

fn this_daemon() -> Who {
    Who {
        via: Via::Daemon,
        ..operator()
    }
}

fn name(index: usize) -> SessionName {
    let name = format!("s{}", index % plan::NAMES);
    name.parse().expect("a name")
}

/// Runs a daemon until it dies or ends. A start that fails is tried again, as systemd does.
pub(super) fn run(plan: &Rc<DiskPlan>, mortal: &Mortal) {
    scene(|it| it.control = Some(current()));
    let daemon = loop {
        match Daemon::start(plan, mortal) {
            Ok(daemon) => break daemon,
            Err(error) => trace(|| format!("does not start: {error}")),
        }
        sleep(1_000_000_000);
    };
    daemon.serve();
}

impl Daemon {
    fn start(plan: &Rc<DiskPlan>, mortal: &Mortal) -> std::io::Result<Self> {
        let (state, log) = (Path::new(STATE), plan.log_blocks * 4096);
        let retention = Retention {
            count: plan.certificates,
            age: None,
        };
        let archive = Archive::open(
            host(),
            state,
            log,
            retention,
            |mut files: CertificateFiles| {
                Ok(Desk::start(mortal, BATCH, move |jobs: Vec<_>| {
                    drop(files.work(&jobs));
                }))
            },
        )?;
        let mut store = Store::open(host(), state, |files: SessionFiles| {
            Ok(Desk::start(mortal, 1, move |jobs: Vec<_>| {
                jobs.iter().for_each(|job| files.work(job));
            }))
        })?;
        let restored = store.restore(Vec::new(), &this_daemon());
        promises::restarted(&archive, &restored, plan.certificates);
        let incarnation = scene(|it| {
            it.incarnation += 1;
            it.incarnation
        });
        if archive.newest_incarnation() >= incarnation {
            violation("a certificate of an incarnation that is to come".into());
        }
        trace(|| {
            format!(
                "daemon {incarnation} starts with {} sessions",
                restored.len()
            )
        });
        let mut daemon = Self {
            plan: Rc::clone(plan),
            archive,
            store,
            sessions: BTreeMap::new(),
            pending: Vec::new(),
            incarnation,
            counter: 0,
            answers: Vec::new(),
            patrol_at: now() + PATROL,
        };
        restored.into_iter().for_each(|it| daemon.bring_back(it));
        scene(|it| it.is_ready = true);
        Ok(daemon)
    }

    /// As the daemon's actor does.
    fn bring_back(&mut self, kept: PersistedSession) {
        let id = self.make(kept.spec.clone());
        let (running, generation) = (kept.running, kept.generation);
        let stopped = kept.stopped.clone();
        self.store.keep_restored(kept);
        let moment = Seen(Alone(id)).moment();
        let live = self.sessions.get_mut(&id).expect("it was made");
        live.core.continue_from(generation, stopped, moment);
        if running {
            self.handle(id, Event::Start(Ticket::unread()));
        }
    }

    fn make(&mut self, spec: SessionSpec) -> SessionId {
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

    fn serve(mut self) {
        loop {
            let all = self.sessions.iter_mut();
            let event = all.filter_map(|(id, it)| Some((*id, it.events.pop_front()?)));
            if let Some((id, event)) = { event }.next() {
                self.handle(id, event);
            } else if self.examine() {
            } else if let Some(request) = scene(|it| it.requests.pop_front()) {
                match request {
                    Request::Deed(deed) => self.deed(deed),
                    Request::Check => self.check(),
                    Request::Shutdown => return self.shut_down(),
                }
            } else {
                self.rest();
            }
        }
    }

    /// What is due, and then nothing until something is.
    fn rest(&mut self) {
        if now() >= self.patrol_at {
            self.patrol_at = now() + PATROL;
            self.archive.trim();
            self.archive.retry();
            self.archive.settle();
            self.store.retry();
            return;
        }
        let late = self.answers.iter().position(|it| it.until <= now());
        if let Some(at) = late {
            let open = self.answers.remove(at);
            trace(|| format!("answer {}: not on disk in time", open.number));
            return;
        }
        let waits = self.answers.iter().map(|it| it.until);
        let next = waits
            .chain([self.patrol_at])
            .min()
            .unwrap_or(self.patrol_at);
        let pause = next.saturating_duration_since(now()).as_nanos();
        park(now_ns() + u64::try_from(pause).unwrap_or(0).max(1));
    }

    fn named(&self, name: &SessionName) -> Option<SessionId> {
        let mut all = self.sessions.iter();
        let found = all.find(|(_, it)| !it.is_aside && it.spec.name == *name);
        found.map(|(id, _)| *id)
    }

    fn deed(&mut self, deed: DiskDeed) {
        let name = name(deed.session);
        let found = self.named(&name);
        trace(|| format!("{:?} {name}", deed.kind));
        match (deed.kind, found) {
            (DiskDeedKind::Create, None) => self.create(&name, deed),
            (DiskDeedKind::Stop, Some(id)) => self.stop(id, &name),
            (DiskDeedKind::Start, Some(id)) => {
                let generation = self.sessions[&id].core.generation();
                if self
                    .store
                    .note(&self.sessions[&id].spec.name, None, generation)
                {
                    let wanted = promises::wanted(&name).map(|it| Wanted {
                        running: true,
                        stopped: None,
                        ..it
                    });
                    self.tell_when_written(&name, wanted);
                }
                self.handle(id, Event::Start(Ticket::unread()));
            }
            (DiskDeedKind::Retarget, Some(id)) => {
                let live = self.sessions.get_mut(&id).expect("it is there");
                live.spec.flow = spec(&name, true, deed.which).flow;
                if self.store.retarget(&live.spec) {
                    let flow = live.spec.flow.clone();
                    let mut wanted = promises::wanted(&name);
                    wanted.as_mut().expect("it is stored").spec.flow = flow;
                    self.tell_when_written(&name, wanted);
                }
            }
            (DiskDeedKind::Destroy, Some(id)) => {
                self.stop_core(id);
                self.destroy(id, Operation::Destroy, operator());
            }
            (DiskDeedKind::Abort, Some(id)) => {
                self.stop_core(id);
                self.destroy(id, Operation::Abort, operator());
            }
            (DiskDeedKind::Quarantine, Some(id)) => {
                self.stop_core(id);
                self.handle(id, Event::Quarantine(operator()));
            }
            (DiskDeedKind::Show, _) => {
                let all = promises::all_issued();
                let Some(id) = all.get(usize::try_from(deed.which).unwrap_or(0) % all.len().max(1))
                else {
                    return;
                };
                if let Some(certificate) = self.archive.present(&SessionRef::Id(*id)) {
                    promises::shown(&certificate);
                }
            }
            (DiskDeedKind::Unmap, _) if !self.pending.is_empty() => {
                let at = usize::try_from(deed.which).unwrap_or(0) % self.pending.len();
                let id = self.pending.remove(at);
                if let Some(found) = self.archive.find(&SessionRef::Id(id)).cloned() {
                    self.keep(complete(found));
                }
            }
            _ => {}
        }
    }

    fn create(&mut self, name: &SessionName, deed: DiskDeed) {
        let is_persistent = deed.session < self.plan.persistent;
        let spec = spec(name, is_persistent, deed.which);
        let id = self.make(spec.clone());
        self.handle(id, Event::Start(Ticket::unread()));
        if is_persistent {
            let generation = self.sessions[&id].core.generation();
            let kept = PersistedSession::created(spec.clone(), operator(), generation);
            self.store.keep(kept);
            let wanted = Wanted {
                spec,
                running: true,
                stopped: None,
            };
            self.tell_when_written(name, Some(wanted));
            promises::reached(name, generation);
        }
    }

    fn stop(&mut self, id: SessionId, name: &SessionName) {
        let core = &self.sessions[&id].core;
        let stopped = StoppedBefore {
            at: core
                .stopped_at()
                .unwrap_or(onair_api::Timestamp(std::time::UNIX_EPOCH)),
            session: id,
            boot_id: "boot".into(),
        };
        let generation = core.generation();
        let session = self.sessions[&id].spec.name.clone();
        if self.store.note(&session, Some(stopped.clone()), generation) {
            let wanted = promises::wanted(name).map(|it| match it.running {
                true => Wanted {
                    running: false,
                    stopped: Some(stopped),
                    ..it
                },
                false => it,
            });
            self.tell_when_written(name, wanted);
        }
        self.handle(id, Event::Stop);
    }

    fn tell_when_written(&mut self, name: &SessionName, wanted: Option<Wanted>) {
        let wish = promises::want(name, wanted);
        let own = name.clone();
        self.store.written(name, move |result| {
            if result.is_ok() {
                promises::told_session(&own, wish);
                answered();
            }
        });
    }

    fn stop_core(&mut self, id: SessionId) {
        self.handle(id, Event::Stop);
        while let Some(event) = self
            .sessions
            .get_mut(&id)
            .and_then(|it| it.events.pop_front())
        {
            self.handle(id, event);
        }
    }

    fn destroy(&mut self, id: SessionId, operation: Operation, who: Who) {
        let destroy = Destroy {
            who,
            operation,
            deadline: None,
            deadline_ms: None,
            waits_for_turn: false,
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

    fn handle(&mut self, id: SessionId, event: Event<Ledgers>) {
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

    fn examine(&mut self) -> bool {
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
                    let mut certificate = write(id, &name, &operator(), *evidence);
                    onair_certificate::seal(&mut certificate);
                    let form = self.keep(certificate);
                    self.gone(id, Via::Control);
                    self.answer_when_durable(id, form);
                }
                Effect::Destroyed {
                    evidence, destroy, ..
                } => {
                    let name = live.spec.name.clone();
                    let mut certificate = write(id, &name, &operator(), *evidence);
                    let form = if chance(self.plan.mapped, 4) {
                        self.pending.push(id);
                        onair_certificate::seal(&mut certificate);
                        self.keep(certificate)
                    } else {
                        self.keep(complete(certificate))
                    };
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
                        self.keep(complete(found));
                    }
                    self.sessions.remove(&id);
                }
                _ => {}
            }
        }
        if let Some(live) = self.sessions.get(&id)
            && !live.is_aside
            && live.spec.persistent
        {
            promises::reached(&live.spec.name, live.core.generation());
        }
    }

    fn keep(&mut self, certificate: Certificate) -> usize {
        let form = promises::issued(&certificate, self.plan.certificates);
        self.archive.keep(certificate);
        form
    }

    /// As the daemon's actor: a session is gone.
    fn gone(&mut self, id: SessionId, via: Via) {
        let live = &self.sessions[&id];
        let (name, generation) = (&live.spec.name, live.core.generation());
        self.store.end(name, via, generation);
        if via != Via::Daemon && promises::wanted(name).is_some() {
            promises::want(name, None);
        }
    }

    fn answer_when_durable(&mut self, id: SessionId, form: usize) {
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
        self.answers.push(Open {
            number,
            until: now() + DURABLE,
        });
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

    /// What is not on disk.
    fn check(&self) {
        let certificates = self.archive.unwritten().map(|it| it.detail);
        let sessions = self.store.unwritten().map(|it| it.detail);
        let all = [certificates, sessions].into_iter().flatten();
        let detail = all.collect::<Vec<_>>().join("; ");
        scene(|it| it.unwritten = Some(detail));
    }

    /// As the daemon's shutdown: each session is ended, and then the files are closed.
    fn shut_down(mut self) {
        let all: Vec<_> = self
            .sessions
            .iter()
            .map(|(id, it)| (*id, it.is_aside))
            .collect();
        for (id, _) in all.into_iter().filter(|(_, is_aside)| !is_aside) {
            self.stop_core(id);
            self.destroy(id, Operation::Shutdown, this_daemon());
            while self.examine() {}
        }
        let until = now() + Duration::from_secs(20);
        let closed = self.archive.close(until).map_err(|it| it.to_string());
        let closed = closed.and(self.store.close(until).map_err(|it| it.to_string()));
        trace(|| format!("ended: {closed:?}"));
        if closed.is_ok() {
            promises::told_all();
        }
        scene(|it| it.has_ended = true);
    }
}

/// An operator has an answer. Perhaps it is the daemon's last.
fn answered() {
    if scene(|it| std::mem::take(&mut it.dies_at_answer)) {
        device(|it| it.dies_in = Some(1));
        kill();
    }
}

fn spec(name: &SessionName, is_persistent: bool, which: u64) -> SessionSpec {
    let mut spec: serde_json::Value =
        serde_json::from_str(include_str!("session.json")).expect("a document");
    spec["name"] = name.to_string().into();
    spec["persistent"] = is_persistent.into();
    spec["flow"]["destination"] = format!("10.0.0.1:{}", 5000 + 2 * which).into();
    serde_json::from_value(spec).expect("a session")
}
