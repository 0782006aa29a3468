//! Serves each request on the control socket: finds its session, checks what the operation needs, and
//! gives the session its event.

use onair_api::operations::ApiOperation;
use onair_api::{Direction, Problem, ProblemCode, SessionRef, SessionView, ShutdownStatus, Who};
use onair_session::{Event, EvictionTicket};

use crate::access::authority::Caller;
use crate::config::ms;
use crate::control::action::{Action, Asked};
use crate::control::actor::Actor;
use crate::services::reply::Reply;
use crate::session::Session;
use crate::shutdown::Cause;

/// What an operation needs.
#[derive(Clone, Copy, Debug)]
enum Need {
    /// The session is not in quarantine, and the request's condition holds.
    Living,
    /// The daemon does not shut down.
    Service,
    /// The session's frames are of packets, not of another session.
    Packets,
    /// The session sends.
    Sends,
}

use Need::{Living, Packets, Sends, Service};

impl Actor {
    pub(crate) fn action(&mut self, action: Action) {
        match action {
            Action::ListSessions(it) => {
                let all = self.sessions.all().map(|session| (session.id, session));
                it.reply.send(Ok(it.input.page(all, Session::view)));
            }
            Action::CreateSession(it) => self.create(&it.caller, it.input, None, it.reply),
            Action::ShowSession(it) => self.on(it, &[], |actor, id, it| {
                it.reply.send(Ok(actor.any(id).view()));
            }),
            Action::StopSession(it) => self.on(it, &[Living], |actor, id, it| {
                let reply = actor.persist_desired_state(id, false, it.reply);
                let gone = || Problem::new(ProblemCode::StaleSession, "destroyed meanwhile");
                reply.send(actor.stop_session(id).ok_or_else(gone));
            }),
            Action::StartSession(it) => self.on(it, &[Living, Service], |actor, id, it| {
                if let Some(((), reply)) = it.reply.or_refuse(actor.leave_dead_thread(id)) {
                    let reply = actor.persist_desired_state(id, true, reply);
                    actor.start_session(id, reply);
                }
            }),
            Action::RetargetSession(it) => self.on(it, &[Living], Self::retarget),
            Action::DestroySession(it) => self.on(it, &[Living], |actor, id, it| {
                actor.begin_destroy(id, it.caller.who, None, it.reply);
            }),
            Action::DestroySessionWait(it) => self.on(it, &[Living], |actor, id, it| {
                let wait = ms(it.input.deadline_ms);
                let deadline = Some((it.at + wait, wait));
                actor.begin_destroy(id, it.caller.who, deadline, it.reply);
            }),
            Action::FlushSession(it) => self.on(it, &[Living, Sends], |actor, id, it| {
                let wait = ms(it.input.deadline_ms);
                actor.request(id, it.reply, |ticket| Event::Flush(wait, ticket));
            }),
            Action::EvictAttachment(it) => {
                let (session, attachment) = it.target;
                let found = self.find(&it.caller, &session);
                if let Some((id, reply)) = it.reply.or_refuse(found) {
                    let one = |ticket| Event::Evict(Some(attachment), EvictionTicket::One(ticket));
                    self.request(id, reply, one);
                }
            }
            Action::EvictAll(it) => self.on(it, &[Living], |actor, id, it| {
                let all = |ticket| Event::Evict(None, EvictionTicket::All(ticket));
                actor.request(id, it.reply, all);
            }),
            Action::AbortSession(it) => self.on(it, &[Living], |actor, id, it| {
                actor.abort(id, it.caller.who, it.reply);
            }),
            Action::QuarantineSession(it) => self.on(it, &[Living], |actor, id, it| {
                actor.quarantine(id, it.caller.who, it.reply);
            }),
            Action::ListBlockers(it) => self.on(it, &[], |actor, id, it| {
                actor.list_blockers(id, it.reply);
            }),
            Action::ShowVerdict(it) => self.on(it, &[], |actor, id, it| {
                actor.request(id, it.reply, Event::Verdict);
            }),
            Action::DescribeSession(it) => self.on(it, &[Packets], |actor, id, it| {
                it.reply.send(actor.describe(id));
            }),
            Action::ShowPicture(it) => {
                self.on(it, &[Living, Service, Packets], Self::show_picture);
            }
            Action::ShowTrace(it) => {
                let gone = || self.find(&it.caller, &it.target).map(|_| String::new());
                let trace = self.sessions.trace(&it.target);
                it.reply.send(trace.map_or_else(gone, Ok));
            }
            Action::StartRecording(it) => {
                self.on(it, &[Living, Packets, Service], Self::start_recording);
            }
            Action::ListRecordings(it) => {
                let recordings = self.recorder.views(it.input.session.as_ref());
                it.reply.send(Ok(onair_api::RecordingList { recordings }));
            }
            Action::ShowRecording(it) => {
                let found = self.find_recording(&it.caller, &it.target);
                let view = found.map(|id| self.recorder.view(id).expect("just found"));
                it.reply.send(view);
            }
            Action::StopRecording(it) => self.stop_recording(it),
            Action::ShowCertificate(it) => {
                it.reply.send(self.certificate(&it.caller, &it.target));
            }
            Action::ListCertificates(it) => {
                it.reply.send(Ok(self.services.archive.list(&it.input)));
            }
            Action::Subscribe {
                caller,
                query,
                after,
                reply,
            } => {
                let kinds = query.kinds.into_iter().collect();
                reply.send(self.subscribe(&caller, query.session, kinds, after));
            }
            Action::Metrics { reply } => reply.send(Ok(self.report().metrics())),
            Action::ShowConfig(it) => it.reply.send(Ok(self.report().active_config())),
            Action::Reload { loaded, reply } => reply.send(Ok(self.reload(loaded))),
            Action::ShutDownIfIdle(it) => it.reply.send(self.shut_down_if_idle(it.caller.who)),
            Action::ShowHealth(it) => {
                it.reply.send(Ok(self.report().health(it.caller.grant)));
            }
        }
    }

    /// Finds the session of a request and checks what the operation needs, in this order; then serves
    /// it. If something is missing, that is the answer.
    fn on<O: ApiOperation<Target = SessionRef>>(
        &mut self,
        asked: Asked<O>,
        needs: &[Need],
        serve: impl FnOnce(&mut Self, u64, Asked<O>),
    ) {
        let checked = self.check(&asked.caller, &asked.target, needs);
        match checked {
            Ok(id) => serve(self, id, asked),
            Err(problem) => asked.reply.send(Err(problem)),
        }
    }

    fn check(&self, caller: &Caller, session: &SessionRef, needs: &[Need]) -> Result<u64, Problem> {
        let id = match needs.first() {
            Some(Living) => self.find(caller, session)?,
            _ => self.find_any(caller, session)?,
        };
        needs.iter().try_for_each(|need| self.meets(id, *need))?;
        Ok(id)
    }

    fn meets(&self, id: u64, need: Need) -> Result<(), Problem> {
        let session = self.any(id);
        match need {
            Living => Ok(()),
            Service => self.check_service(),
            Packets => session.check_has_packets(),
            Sends if session.spec.direction == Direction::Send => Ok(()),
            Sends => {
                let detail = format!(
                    "session {} receives: a flush waits for frames that clients submitted to a send session",
                    session.spec.name
                );
                Err(Problem::new(ProblemCode::InvalidRequest, detail))
            }
        }
    }

    /// No session starts after it, as this thread starts them.
    fn shut_down_if_idle(&self, who: Who) -> Result<ShutdownStatus, Problem> {
        let detail = match self.report().tally().running {
            0 => {
                self.shutdown.begin(Cause::Request(who));
                return Ok(self.shutdown.status());
            }
            1 => "1 session is on air".to_owned(),
            count => format!("{count} sessions are on air"),
        };
        Err(Problem::new(ProblemCode::Busy, detail))
    }

    fn describe(&self, id: u64) -> Result<String, Problem> {
        let session = self.any(id);
        let mut ports = self.services.dataplane.ports().iter();
        let port = ports.find(|port| port.name == session.spec.port);
        let port = port.ok_or_else(|| {
            let detail = format!("port {} is not here any more", session.spec.port);
            Problem::new(ProblemCode::Internal, detail)
        })?;
        Ok(session.sdp(port, &self.services.ptp))
    }

    /// Stops a session; the session as it is then.
    pub(crate) fn stop_session(&mut self, id: u64) -> Option<SessionView> {
        self.handle(id, Event::Stop);
        let view = self.sessions.get(id).map(Session::view);
        self.handle(id, Event::Examine);
        view
    }

    /// Starts a session.
    pub(crate) fn start_session(&mut self, id: u64, reply: Reply<SessionView>) {
        self.look_for_source(id, None);
        self.request(id, reply, Event::Start);
    }
}
