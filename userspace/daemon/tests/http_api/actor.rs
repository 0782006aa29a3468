//! An actor with one session of each kind, and answers in the form of the real one.

use std::collections::BTreeMap;
use std::time::Duration;

use onair_types::api::{DestroySessionWait, EventQuery};
use onair_types::{
    ActiveConfig, AttachmentState, AttachmentView, Blocker, BlockerKind, BlockerList, Certificate,
    CertificateList, Counts, Dataplane, EventKind, Eviction, EvictionCause, EvictionList, Flushed,
    Health, HealthStatus, HeldFrame, Memory, Operation, Probe, ProbeMode, ProbeState, Problem,
    ProblemCode, Reading, RecordingCounts, RecordingId, RecordingList, RecordingRef, RecordingSpec,
    RecordingState, RecordingView, Reload, ReloadOutcome, Says, SessionCounters, SessionId,
    SessionList, SessionName, SessionRef, SessionSpec, SessionState, SessionTally, SessionView,
    SpecDocument, Step, StepName, Timestamp, Verdict, Versions, Via, WaitsIn, Who, Witness, WordOf,
};
use onaird::authority::Caller;
use onaird::control::action::{Action, Asked};
use onaird::events::{Hub, Interest, LastSeen, Subject, Subscription};
use onaird::exposition::Exposition;
use tokio::sync::mpsc;

/// A session that lives.
struct Session {
    view: SessionView,
    owner: u32,
}

/// Answers until the handle is gone. `busy` sessions refuse to be destroyed; `hangups` hears of
/// each requester that went away during a wait.
pub(crate) struct Actor {
    pub(crate) ready: bool,
    pub(crate) hangups: mpsc::UnboundedSender<()>,
    sessions: Vec<Session>,
    gone: BTreeMap<SessionId, Box<Certificate>>,
    recordings: Vec<RecordingView>,
    hub: Hub,
}

impl Actor {
    pub(crate) fn new(hangups: mpsc::UnboundedSender<()>) -> Self {
        Self {
            ready: true,
            hangups,
            sessions: Vec::new(),
            gone: BTreeMap::new(),
            recordings: Vec::new(),
            hub: Hub::new(0x6920_a1c3, 32),
        }
    }

    pub(crate) async fn run(mut self, mut actions: mpsc::Receiver<Action>) {
        while let Some(action) = actions.recv().await {
            self.answer(action);
        }
    }

    fn answer(&mut self, action: Action) {
        match action {
            Action::CreateSession(it) => it.reply.send(self.create(&it.caller, *it.input)),
            Action::ListSessions(it) => {
                let sessions = self.sessions.iter().map(|s| s.view.clone()).collect();
                it.reply.send(Ok(SessionList { sessions }));
            }
            Action::ShowSession(it) => {
                let found = self.find(&it.caller, &it.target);
                it.reply
                    .send(found.map(|at| self.sessions[at].view.clone()));
            }
            Action::StopSession(it) => {
                let stopped = self.turn(&it.caller, &it.target, SessionState::Stopped);
                it.reply.send(stopped);
            }
            Action::StartSession(it) => {
                let running = self.turn(&it.caller, &it.target, SessionState::Running);
                it.reply.send(running);
            }
            Action::DestroySession(it) => {
                let destroyed = self.destroy(&it.caller, &it.target, Operation::Destroy, None);
                it.reply.send(destroyed);
            }
            Action::DestroySessionWait(it) => self.destroy_wait(it),
            Action::FlushSession(it) => {
                let flushed = self.find(&it.caller, &it.target).and_then(|at| {
                    if it.input.deadline_ms == 0 {
                        return Err(Problem::new(ProblemCode::DeadlinePassed, "not all is sent"));
                    }
                    Ok(Flushed {
                        session: self.sessions[at].view.id,
                        frames_sent: 12,
                        waited_ms: 200,
                    })
                });
                it.reply.send(flushed);
            }
            Action::EvictAttachment(it) => {
                let (session, attachment) = it.target;
                let evicted = self.evict(&it.caller, &session, Some(attachment));
                it.reply.send(evicted.and_then(|mut all| {
                    let detail = format!("no attachment {attachment}");
                    all.pop()
                        .ok_or_else(|| Problem::new(ProblemCode::NoSuchAttachment, detail))
                }));
            }
            Action::EvictAll(it) => {
                let evicted = self.evict(&it.caller, &it.target, None);
                it.reply
                    .send(evicted.map(|evicted| EvictionList { evicted }));
            }
            Action::AbortSession(it) => {
                let stopped = self.turn(&it.caller, &it.target, SessionState::Stopped);
                it.reply.send(stopped.and_then(|_| {
                    self.evict(&it.caller, &it.target, None)?;
                    self.destroy(&it.caller, &it.target, Operation::Abort, None)
                }));
            }
            Action::QuarantineSession(it) => {
                let proof = self.destroy(&it.caller, &it.target, Operation::Quarantine, None);
                it.reply.send(proof);
            }
            Action::StartRecording(it) => {
                it.reply
                    .send(self.record(&it.caller, &it.target, &it.input));
            }
            Action::ListRecordings(it) => {
                let mut recordings = self.recordings.clone();
                recordings.retain(|recording| match &it.input.session {
                    None => true,
                    Some(SessionRef::Id(id)) => recording.session == *id,
                    Some(SessionRef::Name(name)) => recording.session_name == *name,
                });
                it.reply.send(Ok(RecordingList { recordings }));
            }
            Action::ShowRecording(it) => {
                let found = self.find_recording(&it.target);
                it.reply.send(found.map(|at| self.recordings[at].clone()));
            }
            Action::StopRecording(it) => {
                let found = self.find_recording(&it.target);
                it.reply.send(found.map(|at| {
                    self.recordings[at].state = RecordingState::Finished;
                    self.recordings[at].clone()
                }));
            }
            Action::ListBlockers(it) => {
                let found = self.find(&it.caller, &it.target);
                it.reply.send(found.map(|at| BlockerList {
                    session: self.sessions[at].view.id,
                    name: self.sessions[at].view.name.clone(),
                    at: Timestamp::now(),
                    blockers: vec![blocker()],
                }));
            }
            Action::ShowVerdict(it) => {
                let found = self.find(&it.caller, &it.target);
                it.reply.send(found.map(|_| busy_verdict()));
            }
            Action::ShowCertificate(it) => it.reply.send(self.certificate(&it.target)),
            Action::ListCertificates(it) => {
                let mut certificates = self.gone.values().rev().map(|it| &**it).collect::<Vec<_>>();
                certificates.retain(|certificate| it.input.wants(certificate));
                certificates.truncate(it.input.limit.unwrap_or(usize::MAX));
                let certificates = certificates.into_iter().map(Certificate::summary).collect();
                it.reply.send(Ok(CertificateList { certificates }));
            }
            Action::Subscribe {
                caller,
                query,
                after,
                reply,
            } => reply.send(self.subscribe(&caller, query, after)),
            Action::Metrics { reply } => {
                let mut metrics = Exposition::default();
                let count = self.sessions.len() as u64;
                metrics.count(
                    "onair_sessions",
                    "Sessions.",
                    &[("state", "running")],
                    count,
                );
                reply.send(Ok(metrics));
            }
            Action::ShowConfig(it) => it.reply.send(Ok(ActiveConfig {
                file: None,
                active: serde_json::json!({"limits": {"sessions": 1}}),
                last_reload: None,
            })),
            Action::Reload { loaded, reply } => reply.send(Ok(Reload {
                at: Timestamp::now(),
                outcome: ReloadOutcome::Failed,
                error: loaded.err(),
                applied: Vec::new(),
                refused: Vec::new(),
            })),
            Action::ShowHealth(it) => it.reply.send(Ok(health(self.ready))),
        }
    }

    /// A wait for users that never leave ends with the requester.
    fn destroy_wait(&mut self, asked: Asked<DestroySessionWait>) {
        let (reply, deadline_ms) = (asked.reply, asked.input.deadline_ms);
        let operation = Operation::DestroyWait;
        match self.destroy(&asked.caller, &asked.target, operation, Some(deadline_ms)) {
            Err(problem) if problem.code == ProblemCode::Busy && deadline_ms > 0 => {
                let hangups = self.hangups.clone();
                tokio::spawn(async move {
                    while !reply.is_unwanted() {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                    hangups.send(()).expect("the test listens");
                });
            }
            result => reply.send(result),
        }
    }

    fn certificate(&self, session: &SessionRef) -> Result<Box<Certificate>, Problem> {
        let found = match session {
            SessionRef::Id(id) => self.gone.get(id),
            SessionRef::Name(name) => self.gone.values().find(|c| c.name == *name),
        };
        let pending = ProblemCode::CertificatePending;
        let lives = || Problem::new(pending, format!("{session} lives"));
        found.cloned().ok_or_else(lives)
    }

    fn create(&mut self, caller: &Caller, spec: SessionSpec) -> Result<SessionView, Problem> {
        if spec.port == "reply-is-dropped" {
            panic!("this session's creation ends the actor");
        }
        if spec.port != "a" {
            let detail = format!("no port is called {:?}", spec.port);
            return Err(Problem::new(ProblemCode::NoSuchPort, detail));
        }
        if self.sessions.iter().any(|s| s.view.name == spec.name) {
            let detail = format!("a session is called {}", spec.name);
            return Err(Problem::new(ProblemCode::NameTaken, detail));
        }
        let number = u32::try_from(self.sessions.len() + self.gone.len() + 1).unwrap();
        let name = spec.name.clone();
        let document = SpecDocument::from(spec);
        let busy = name.as_str().starts_with("busy");
        let view = SessionView {
            id: SessionId::new(0x6920_a1c3, number),
            name,
            direction: document.direction,
            port: document.port,
            video: document.video,
            flow: document.flow,
            source: document.source,
            quota: 4,
            max_attachments: 4,
            priority: 50,
            duration_ms: None,
            persistent: false,
            state: SessionState::Running,
            owner: Some(caller.who.clone()),
            created_at: Timestamp::now(),
            stopped_at: None,
            attachments: busy.then(attachment).into_iter().collect(),
            counters: SessionCounters::default(),
        };
        // As if somebody else's process had made it.
        let owner = caller.who.uid;
        self.sessions.push(Session {
            view: view.clone(),
            owner,
        });
        let started = EventKind::SessionStarted { generation: 1 };
        self.tell(self.sessions.len() - 1, started);
        Ok(view)
    }

    fn find(&self, caller: &Caller, session: &SessionRef) -> Result<usize, Problem> {
        let at = self.sessions.iter().position(|s| match session {
            SessionRef::Id(id) => s.view.id == *id,
            SessionRef::Name(name) => s.view.name == *name,
        });
        let Some(at) = at else {
            let code = match session {
                SessionRef::Id(id) if self.gone.contains_key(id) => ProblemCode::StaleSession,
                _ => ProblemCode::NoSuchSession,
            };
            return Err(Problem::new(code, format!("{session} is not here")));
        };
        caller.require(Some(self.sessions[at].owner))?;
        Ok(at)
    }

    fn record(
        &mut self,
        caller: &Caller,
        session: &SessionRef,
        spec: &RecordingSpec,
    ) -> Result<RecordingView, Problem> {
        let at = self.find(caller, session)?;
        let name = spec.name.clone().unwrap_or_else(|| "rec".parse().unwrap());
        if self.recordings.iter().any(|it| it.name == name) {
            return Err(Problem::new(ProblemCode::NameTaken, "there is one"));
        }
        let view = &self.sessions[at].view;
        let number = u32::try_from(self.recordings.len() + 1).unwrap();
        let recording = RecordingView {
            id: RecordingId::new(0x6920_a1c3, number),
            name,
            session: view.id,
            session_name: view.name.clone(),
            format: spec.format,
            state: RecordingState::Recording,
            reason: None,
            end: None,
            owner: Some(caller.who.clone()),
            started_at: Timestamp::now(),
            ended_at: None,
            folder: "/nowhere".into(),
            files: Vec::new(),
            counts: RecordingCounts::default(),
            producers: Vec::new(),
            gaps: 0,
            problems: Vec::new(),
            frames: None,
            repair: None,
        };
        self.recordings.push(recording.clone());
        Ok(recording)
    }

    fn find_recording(&self, recording: &RecordingRef) -> Result<usize, Problem> {
        let at = self.recordings.iter().position(|it| match recording {
            RecordingRef::Id(id) => it.id == *id,
            RecordingRef::Name(name) => it.name == *name,
        });
        at.ok_or_else(|| Problem::new(ProblemCode::NoSuchRecording, "it is not here"))
    }

    fn tell(&mut self, at: usize, kind: EventKind) {
        let session = &self.sessions[at];
        let about = Subject {
            session: session.view.id,
            name: session.view.name.clone(),
            owner: session.owner,
        };
        self.hub.tell(Some(about), kind);
    }

    fn subscribe(
        &mut self,
        caller: &Caller,
        query: EventQuery,
        after: Option<LastSeen>,
    ) -> Result<Subscription, Problem> {
        if let Some(session) = &query.session {
            self.find(caller, session)?;
        }
        let interest = Interest {
            grant: caller.grant,
            session: query.session,
            kinds: query.kinds.into_iter().collect(),
        };
        self.hub.subscribe(interest, after)
    }

    fn evict(
        &mut self,
        caller: &Caller,
        session: &SessionRef,
        one: Option<u64>,
    ) -> Result<Vec<Eviction>, Problem> {
        let at = self.find(caller, session)?;
        let attachments = &mut self.sessions[at].view.attachments;
        let gone = attachments.extract_if(.., |it| one.is_none_or(|one| it.attachment == one));
        Ok(gone
            .map(|it| Eviction {
                attachment: it.attachment,
                pid: it.pid,
                command: it.command,
                at: Timestamp::now(),
                cause: EvictionCause::Requested,
                callers_inside: it.threads_inside,
                frames_revoked: 2,
                frames_set_aside: 1,
            })
            .collect())
    }

    fn turn(
        &mut self,
        caller: &Caller,
        session: &SessionRef,
        state: SessionState,
    ) -> Result<SessionView, Problem> {
        let at = self.find(caller, session)?;
        self.sessions[at].view.state = state;
        self.tell(
            at,
            match state {
                SessionState::Running => EventKind::SessionStarted { generation: 1 },
                _ => EventKind::SessionStopped {
                    attachments: 0,
                    callers: 0,
                },
            },
        );
        Ok(self.sessions[at].view.clone())
    }

    fn destroy(
        &mut self,
        caller: &Caller,
        session: &SessionRef,
        operation: Operation,
        deadline_ms: Option<u64>,
    ) -> Result<Box<Certificate>, Problem> {
        let at = self.find(caller, session)?;
        let view = &self.sessions[at].view;
        if view.state == SessionState::Running {
            let detail = format!("session {} is running", view.name);
            return Err(Problem::new(ProblemCode::Running, detail));
        }
        if !view.attachments.is_empty() && operation != Operation::Quarantine {
            return Err(Problem::new(ProblemCode::Busy, "1 caller is blocked")
                .with_blockers(vec![blocker()])
                .with_verdict(busy_verdict()));
        }
        let view = self.sessions.remove(at).view;
        let proof = Box::new(certificate(&view, caller, operation, deadline_ms));
        self.gone.insert(view.id, proof.clone());
        Ok(proof)
    }
}

fn attachment() -> AttachmentView {
    AttachmentView {
        attachment: 1,
        pid: 4711,
        command: "player".into(),
        uid: 1000,
        client_version: "0.1.0".into(),
        lent: 1,
        held: 1,
        threads_inside: 1,
        state: AttachmentState::Attached,
    }
}

fn blocker() -> Blocker {
    Blocker {
        pid: 4711,
        tid: Some(4712),
        command: "player".into(),
        thread: "reader".into(),
        attachment: Some(1),
        client_version: "0.1.0".into(),
        kind: BlockerKind::Blocked,
        since: Some(Timestamp::now()),
        blocked_for_ms: Some(1500),
        waits_in: Some(WaitsIn::BufferGet),
        kernel_state: Some("sleeping".into()),
        wait_channel: Some("futex_wait_queue".into()),
        held_frames: vec![HeldFrame {
            frame: 2,
            age_ms: 10,
        }],
        seen_by: vec![Witness::W1, Witness::W2],
        note: None,
    }
}

fn busy_verdict() -> Verdict {
    Verdict {
        destroyable: false,
        disagreement: false,
        reason: "W1 and W2 see one caller".into(),
        at: Timestamp::now(),
        readings: vec![Reading {
            witness: Witness::W2,
            name: "probe".into(),
            says: Says::Users,
            users: 1,
            left_out: 0,
            detail: "player 4711/4712".into(),
            word_of: WordOf::Kernel,
            at_monotonic_ns: 1,
        }],
    }
}

fn probe() -> Probe {
    Probe {
        mode: ProbeMode::Required,
        state: ProbeState::Watching,
        reason: None,
        canary_at: Some(Timestamp::now()),
        files: Vec::new(),
    }
}

fn certificate(
    view: &SessionView,
    caller: &Caller,
    operation: Operation,
    deadline_ms: Option<u64>,
) -> Certificate {
    Certificate {
        format: Certificate::FORMAT,
        owner: None,
        digest: None,
        durable: true,
        session: view.id,
        name: view.name.clone(),
        generation: 1,
        boot_id: "b".into(),
        versions: Versions {
            onaird: "0.1.0".into(),
            dpdk: "22.11".into(),
            kernel: "6.18".into(),
        },
        probe: probe(),
        operation,
        deadline_ms,
        requester: caller.who.clone(),
        issued_at: Timestamp::now(),
        stopped_before: None,
        steps: vec![Step {
            step: StepName::Destroyed,
            at: Timestamp::now(),
            monotonic_ns: 1,
            since_stop_us: 57,
        }],
        readings: busy_verdict().readings,
        reconciled: Vec::new(),
        evicted: Vec::new(),
        counts: Counts::default(),
        frames: SessionCounters::default(),
        memory: Memory::Pending {
            bytes: 4096,
            held_by: vec![4711],
        },
        disagreements: Vec::new(),
    }
}

fn health(ready: bool) -> Health {
    Health {
        status: if ready {
            HealthStatus::Ok
        } else {
            HealthStatus::ProbeBlind
        },
        live: true,
        ready,
        problems: Vec::new(),
        version: "0.1.0".into(),
        pid: std::process::id(),
        boot_id: "b".into(),
        started_at: Timestamp::now(),
        uptime_ms: 1,
        probe: probe(),
        dataplane: Dataplane {
            backend: "none".into(),
            dpdk: "22.11".into(),
            hugepages: false,
            ports: Vec::new(),
            pollers: Vec::new(),
        },
        sessions: SessionTally::default(),
        unwritten_certificates: 0,
        shares: Vec::new(),
    }
}

/// A session of root's that nobody else owns, made before any request.
pub(crate) fn root() -> Caller {
    Caller {
        who: Who {
            uid: 0,
            gid: 0,
            pid: 1,
            command: "init".into(),
            via: Via::Daemon,
        },
        grant: onaird::authority::Grant::Any,
        rank: onair_probe::share::Rank::Root,
    }
}

/// A name for tests.
pub(crate) fn name(text: &str) -> SessionName {
    text.parse().unwrap()
}
