//! An actor with one session of each kind, and answers in the form of the real one.

use std::collections::BTreeMap;
use std::time::Duration;

use onair_api::operations::{DestroySessionWait, EventQuery, SessionQuery};
use onair_api::{
    ActiveConfig, ArrivingList, BlockerList, Certificate, CertificateList, CertificateQuery,
    EventKind, Flush, Flushed, GroupList, GroupView, NewSession, Operation, Problem, ProblemCode,
    Reload, ReloadOutcome, SessionCounters, SessionId, SessionList, SessionRef, SessionState,
    SessionView, ShutdownStatus, SpecDocument, Timestamp,
};
use onair_engine::events::{Hub, Interest, LastSeen, Subject, Subscription};
use onair_engine::inputs::{Action, Asked};
use onair_settings::access::authority::Caller;
use onair_settings::access::etag::etag;
use onair_settings::config::{Config, ShutdownConfig};
use onair_settings::diagnostics::exposition::Exposition;
use onaird::real_machine::HostClock;
use onaird::shutdown::ShutdownCoordinator;
use tokio::sync::mpsc;

use crate::http_api::served::documents::{attachment, blocker, busy_verdict, certificate, health};

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
    hub: Hub,
}

impl Actor {
    pub(crate) fn new(hangups: mpsc::UnboundedSender<()>) -> Self {
        Self {
            ready: true,
            hangups,
            sessions: Vec::new(),
            gone: BTreeMap::new(),
            hub: Hub::new(
                HostClock::clocks(),
                0x6920_a1c3,
                Config::default().limits.readers_share(),
            ),
        }
    }

    pub(crate) async fn run(mut self, mut actions: mpsc::Receiver<Action>) {
        while let Some(action) = actions.recv().await {
            self.answer(action);
        }
    }

    fn answer(&mut self, action: Action) {
        use ProblemCode::{NoSuchAttachment, NoSuchGroup, NoSuchRecording};
        use SessionState::{Running, Stopped};
        match action {
            Action::CreateSession(it) => it.reply.send(self.create(&it.caller, it.input)),
            Action::ListSessions(it) => it.reply.send(Ok(self.list(&it.input))),
            Action::ShowSession(it) => it.reply.send(self.show(&it.caller, &it.target)),
            Action::StopSession(it) => it.reply.send(self.turn(&it.caller, &it.target, Stopped)),
            Action::StartSession(it) => it.reply.send(self.turn(&it.caller, &it.target, Running)),
            Action::RetargetSession(it) => {
                let found = self.show(&it.caller, &it.target);
                it.reply.send(found.map(|mut view| {
                    let destination = it.input.flow.destination;
                    view.flow.destination = destination.unwrap_or(view.flow.destination);
                    view
                }));
            }
            Action::DestroySession(it) => {
                let destroyed = self.destroy(&it.caller, &it.target, Operation::Destroy, None);
                it.reply.send(destroyed);
            }
            Action::DestroySessionWait(it) => self.destroy_wait(it),
            Action::FlushSession(it) => {
                it.reply.send(self.flush(&it.caller, &it.target, it.input));
            }
            Action::EvictAttachment(it) => {
                let found = self.find(&it.caller, &it.target.0);
                it.reply.send(found.and_then(|_| none(NoSuchAttachment)));
            }
            Action::EvictAll(it) => {
                let found = self.find(&it.caller, &it.target);
                it.reply.send(found.and_then(|_| none(NoSuchAttachment)));
            }
            Action::AbortSession(it) => {
                let aborted = self.destroy(&it.caller, &it.target, Operation::Abort, None);
                it.reply.send(aborted);
            }
            Action::QuarantineSession(it) => {
                let proof = self.destroy(&it.caller, &it.target, Operation::Quarantine, None);
                it.reply.send(proof);
            }
            Action::StartRecording(it) => {
                let found = self.find(&it.caller, &it.target);
                it.reply.send(found.and_then(|_| none(NoSuchRecording)));
            }
            Action::ListRecordings(it) => it.reply.send(none(NoSuchRecording)),
            Action::ShowRecording(it) => it.reply.send(none(NoSuchRecording)),
            Action::StopRecording(it) => it.reply.send(none(NoSuchRecording)),
            Action::ListGroups(it) => it.reply.send(Ok(GroupList { groups: Vec::new() })),
            Action::CreateGroup(it) => {
                let members = it.input.sessions.into_iter().map(|spec| {
                    let view = self.create(&it.caller, spec.into())?;
                    Ok((view, None))
                });
                let members: Result<Vec<_>, Problem> = members.collect();
                let group = members.map(|members| GroupView::of(it.input.name, members));
                it.reply.send(group);
            }
            Action::ShowGroup(it) => it.reply.send(none(NoSuchGroup)),
            Action::StopGroup(it) => it.reply.send(none(NoSuchGroup)),
            Action::StartGroup(it) => it.reply.send(none(NoSuchGroup)),
            Action::RetargetGroup(it) => it.reply.send(none(NoSuchGroup)),
            Action::RetargetSessions(it) => it.reply.send(none(NoSuchGroup)),
            Action::DestroyGroup(it) => it.reply.send(none(NoSuchGroup)),
            Action::DestroyGroupWait(it) => it.reply.send(none(NoSuchGroup)),
            Action::ListBlockers(it) => it.reply.send(self.blockers(&it.caller, &it.target)),
            Action::ShowVerdict(it) => {
                let found = self.find(&it.caller, &it.target);
                it.reply.send(found.map(|_| busy_verdict()));
            }
            Action::ShowTrace(it) => {
                let found = self.find(&it.caller, &it.target);
                it.reply.send(found.map(|_| "{}\n".to_owned()));
            }
            Action::DescribeSession(it) => {
                let found = self.find(&it.caller, &it.target);
                it.reply.send(found.map(|_| "v=0\r\n".to_owned()));
            }
            Action::ShowPicture(it) => {
                let found = self.find(&it.caller, &it.target);
                it.reply.send(found.map(|_| b"a picture".to_vec()));
            }
            Action::ShowCertificate(it) => it.reply.send(self.certificate(&it.target)),
            Action::ListCertificates(it) => it.reply.send(Ok(self.certificates(&it.input))),
            Action::Subscribe {
                caller,
                query,
                after,
                reply,
            } => reply.send(self.subscribe(&caller, query, after)),
            Action::Metrics { reply } => reply.send(Ok(self.metrics())),
            Action::ShowConfig(it) => it.reply.send(Ok(ActiveConfig {
                file: None,
                active: serde_json::json!({"limits": {"sessions": 1}}),
                last_reload: None,
            })),
            Action::Reload { loaded, reply } => reply.send(Ok(Reload {
                at: Timestamp::now(),
                outcome: ReloadOutcome::Failed,
                error: loaded.err().map(|error| error.to_string()),
                applied: Vec::new(),
                refused: Vec::new(),
            })),
            Action::ShutDownIfIdle(it) => it.reply.send(self.shut_down_if_idle()),
            Action::ListPollers(it) => {
                let pollers = health(self.ready).dataplane.pollers;
                it.reply.send(Ok(onair_api::PollerList { pollers }));
            }
            Action::ListArriving(it) => it.reply.send(Ok(ArrivingList::default())),
            Action::ShowHealth(it) => it.reply.send(Ok(health(self.ready))),
        }
    }

    /// The real one also begins the shutdown.
    fn shut_down_if_idle(&self) -> Result<ShutdownStatus, Problem> {
        let mut sessions = self.sessions.iter();
        if sessions.any(|it| it.view.state == SessionState::Running) {
            return Err(Problem::new(ProblemCode::Busy, "1 session is on air"));
        }
        let shutdown = ShutdownCoordinator::new(ShutdownConfig::default());
        Ok(shutdown.expect("descriptors are free").status())
    }

    fn list(&self, query: &SessionQuery) -> SessionList {
        let all = self.sessions.iter().map(|it| (it.view.id, &it.view));
        query.page(all, SessionView::clone)
    }

    fn show(&self, caller: &Caller, session: &SessionRef) -> Result<SessionView, Problem> {
        let at = self.find(caller, session)?;
        Ok(self.sessions[at].view.clone())
    }

    fn flush(
        &self,
        caller: &Caller,
        session: &SessionRef,
        wait: Flush,
    ) -> Result<Flushed, Problem> {
        let at = self.find(caller, session)?;
        if wait.deadline_ms == 0 {
            return Err(Problem::new(ProblemCode::DeadlinePassed, "not all is sent"));
        }
        Ok(Flushed {
            session: self.sessions[at].view.id,
            frames_sent: 12,
            waited_ms: 200,
        })
    }

    fn blockers(&self, caller: &Caller, session: &SessionRef) -> Result<BlockerList, Problem> {
        let view = self.show(caller, session)?;
        Ok(BlockerList {
            session: view.id,
            name: view.name,
            at: Timestamp::now(),
            blockers: vec![blocker()],
        })
    }

    fn certificates(&self, query: &CertificateQuery) -> CertificateList {
        let all = self.gone.values().rev().map(|it| &**it);
        let wanted = all.filter(|certificate| query.wants(certificate));
        let wanted = wanted.take(query.limit.unwrap_or(usize::MAX));
        CertificateList {
            certificates: wanted.map(Certificate::summary).collect(),
        }
    }

    fn metrics(&self) -> Exposition {
        let mut metrics = Exposition::default();
        let (labels, count) = ([("state", "running")], self.sessions.len() as u64);
        metrics.count("onair_sessions", "Sessions.", &labels, count);
        metrics
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

    fn create(&mut self, caller: &Caller, session: NewSession) -> Result<SessionView, Problem> {
        let NewSession::Complete(spec) = session else {
            let detail = "no session has that name";
            return Err(Problem::new(ProblemCode::NoSuchSession, detail));
        };
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
        let document = SpecDocument::from(*spec);
        let busy = name.as_str().starts_with("busy");
        let view = SessionView {
            member_of: None,
            signal: None,
            id: SessionId::new(0x6920_a1c3, number),
            name,
            convert: None,
            next: None,
            direction: document.direction,
            port: document.port,
            poller: "p0".into(),
            format: document.format,
            flow: document.flow,
            source: document.source,
            quota: 4,
            max_attachments: 4,
            priority: 50,
            frame_timeout_ms: None,
            duration_ms: None,
            persistent: false,
            notes: Vec::new(),
            connected: None,
            state: SessionState::Running,
            owner: Some(caller.who.clone()),
            created_at: Timestamp::now(),
            stopped_at: None,
            attachments: busy.then(attachment).into_iter().collect(),
            converted_sessions: 0,
            problems: Vec::new(),
            link_up: Some(true),
            ssrc: None,
            peer: None,
            group: None,
            legs: None,
            timing: None,
            recent: None,
            counters: SessionCounters::default(),
        };
        // As if another user's process had made it.
        let owner = caller.who.uid;
        self.sessions.push(Session {
            view: view.clone(),
            owner,
        });
        let started = EventKind::SessionStarted { generation: 1 };
        self.publish(self.sessions.len() - 1, started);
        Ok(view)
    }

    fn find(&self, caller: &Caller, session: &SessionRef) -> Result<usize, Problem> {
        let mut sessions = self.sessions.iter();
        let at = sessions.position(|it| session.names(it.view.id, &it.view.name));
        let Some(at) = at else {
            let code = match session {
                SessionRef::Id(id) if self.gone.contains_key(id) => ProblemCode::StaleSession,
                _ => ProblemCode::NoSuchSession,
            };
            return Err(Problem::new(code, format!("{session} is not here")));
        };
        caller.require(Some(self.sessions[at].owner))?;
        caller.require_tag(|| etag(&self.sessions[at].view))?;
        Ok(at)
    }

    fn publish(&mut self, at: usize, kind: EventKind) {
        let session = &self.sessions[at];
        let about = Subject {
            session: session.view.id,
            name: session.view.name.clone(),
            owner: session.owner,
            caused_by: session.owner,
        };
        self.hub.publish(Some(about), kind);
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
        self.hub.subscribe(caller.owner(), interest, after)
    }

    fn turn(
        &mut self,
        caller: &Caller,
        session: &SessionRef,
        state: SessionState,
    ) -> Result<SessionView, Problem> {
        let at = self.find(caller, session)?;
        self.sessions[at].view.state = state;
        self.publish(
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
        if !view.attachments.is_empty() {
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

/// Nothing of that kind is here.
fn none<T>(code: ProblemCode) -> Result<T, Problem> {
    Err(Problem::new(code, "it is not here"))
}
