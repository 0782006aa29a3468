//! Handles each request of an operator on the control socket, and answers it.

use std::time::Duration;

use crate::services::reply::Reply;
use onair_api::operations::{
    FlushSession, ListBlockers, SessionQuery, ShowVerdict, StartSession, StopSession,
};
use onair_api::{Direction, Problem, ProblemCode, SessionList, SessionView, ShutdownStatus, Who};
use onair_session::{Event, EvictionTicket};

use crate::control::action::{Action, Asked};
use crate::control::actor::Actor;
use crate::session::Session;
use crate::shutdown::Cause;

impl Actor {
    pub(crate) fn action(&mut self, action: Action) {
        match action {
            Action::ListSessions(it) => it.reply.send(Ok(self.list(&it.input))),
            Action::CreateSession(it) => self.create(&it.caller, it.input, None, it.reply),
            Action::ShowSession(it) => {
                let found = self.find_any(&it.caller, &it.target);
                it.reply.send(found.map(|id| self.any(id).view()));
            }
            Action::StopSession(it) => self.stop(it),
            Action::StartSession(it) => self.start(it),
            Action::RetargetSession(it) => self.retarget(it),
            Action::DestroySession(it) => self.destroy(&it.caller, &it.target, None, it.reply),
            Action::DestroySessionWait(it) => {
                let ms = it.input.deadline_ms;
                let wait = Some((it.at + Duration::from_millis(ms), ms));
                self.destroy(&it.caller, &it.target, wait, it.reply);
            }
            Action::FlushSession(it) => self.flush(it),
            Action::EvictAttachment(it) => {
                let (session, attachment) = it.target;
                let one = EvictionTicket::One;
                self.evict(&it.caller, &session, Some(attachment), it.reply, one);
            }
            Action::EvictAll(it) => {
                let all = EvictionTicket::All;
                self.evict(&it.caller, &it.target, None, it.reply, all);
            }
            Action::AbortSession(it) => self.abort(&it.caller, &it.target, it.reply),
            Action::QuarantineSession(it) => self.quarantine(&it.caller, &it.target, it.reply),
            Action::ListBlockers(it) => self.blockers(it),
            Action::ShowVerdict(it) => self.verdict(it),
            Action::ShowTrace(it) => {
                let gone = || self.find(&it.caller, &it.target).map(|_| String::new());
                let trace = self.sessions.trace(&it.target);
                it.reply.send(trace.map_or_else(gone, Ok));
            }
            Action::DescribeSession(it) => {
                let found = self.find_any(&it.caller, &it.target);
                it.reply.send(found.and_then(|id| self.describe(id)));
            }
            Action::ShowPicture(it) => self.show_picture(it),
            Action::StartRecording(it) => {
                self.record(&it.caller, &it.target, *it.input, it.reply);
            }
            Action::ListRecordings(it) => {
                it.reply
                    .send(Ok(self.recordings(it.input.session.as_ref())));
            }
            Action::ShowRecording(it) => it.reply.send(self.recording(&it.caller, &it.target)),
            Action::StopRecording(it) => self.stop_recording(&it.caller, &it.target, it.reply),
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
            Action::Metrics { reply } => reply.send(Ok(self.metrics())),
            Action::ShowConfig(it) => it.reply.send(Ok(self.active_config())),
            Action::Reload { loaded, reply } => reply.send(Ok(self.reload(loaded))),
            Action::ShutDownIfIdle(it) => it.reply.send(self.shut_down_if_idle(it.caller.who)),
            Action::ShowHealth(it) => it.reply.send(Ok(self.health(it.caller.grant))),
        }
    }

    /// No session starts after it, as this thread starts them.
    fn shut_down_if_idle(&self, who: Who) -> Result<ShutdownStatus, Problem> {
        let detail = match self.tally().running {
            0 => {
                self.shutdown.begin(Cause::Request(who));
                return Ok(self.shutdown.status());
            }
            1 => "1 session is on air".to_owned(),
            count => format!("{count} sessions are on air"),
        };
        Err(Problem::new(ProblemCode::Busy, detail))
    }

    fn list(&self, query: &SessionQuery) -> SessionList {
        let all = self.sessions.all().map(|session| (session.id, session));
        query.page(all, Session::view)
    }

    fn describe(&self, id: u64) -> Result<String, Problem> {
        let session = self.any(id);
        session.check_has_packets()?;
        let mut ports = self.services.dataplane.ports().iter();
        let port = ports.find(|port| port.name == session.spec.port);
        let port = port.ok_or_else(|| {
            let detail = format!("port {} is not here any more", session.spec.port);
            Problem::new(ProblemCode::Internal, detail)
        })?;
        Ok(session.sdp(port, &self.services.ptp))
    }

    fn stop(&mut self, asked: Asked<StopSession>) {
        let found = self.find(&asked.caller, &asked.target);
        let Some((id, reply)) = asked.reply.or_refuse(found) else {
            return;
        };
        let reply = self.persist_desired_state(id, false, reply);
        let view = self.stop_session(id);
        let gone = || Problem::new(ProblemCode::StaleSession, "destroyed meanwhile");
        reply.send(view.ok_or_else(gone));
    }

    fn start(&mut self, asked: Asked<StartSession>) {
        let found = self.find(&asked.caller, &asked.target);
        let found = found.and_then(|id| self.not_ending(id));
        let found = found.and_then(|id| self.leave_dead_thread(id).map(|()| id));
        let Some((id, reply)) = asked.reply.or_refuse(found) else {
            return;
        };
        let reply = self.persist_desired_state(id, true, reply);
        self.start_session(id, reply);
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

    fn flush(&mut self, asked: Asked<FlushSession>) {
        let found = self.find(&asked.caller, &asked.target);
        let Some((id, reply)) = asked.reply.or_refuse(found) else {
            return;
        };
        let session = self.any(id);
        if session.spec.direction == Direction::Receive {
            let detail = format!(
                "session {} receives: a flush waits for frames that clients submitted to a send session",
                session.spec.name
            );
            reply.send(Err(Problem::new(ProblemCode::InvalidRequest, detail)));
            return;
        }
        let wait = Duration::from_millis(asked.input.deadline_ms);
        self.request(id, reply, |it| Event::Flush(wait, it));
    }

    fn blockers(&self, asked: Asked<ListBlockers>) {
        let found = self.find_any(&asked.caller, &asked.target);
        if let Some((id, reply)) = asked.reply.or_refuse(found) {
            self.list_blockers(id, reply);
        }
    }

    fn verdict(&mut self, asked: Asked<ShowVerdict>) {
        let found = self.find_any(&asked.caller, &asked.target);
        if let Some((id, reply)) = asked.reply.or_refuse(found) {
            self.request(id, reply, Event::Verdict);
        }
    }
}
