//! The operations of `control.sock`, with answers as they are.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use onair_api::operations::{
    AbortSession, ApiOperation, CreateSession, DestroySession, DestroySessionWait, EvictAll,
    EvictAttachment, FlushSession, Input as _, ListBlockers, QuarantineSession, Sent,
    ShowCertificate, ShowHealth, ShowSession, ShowVerdict, StartSession, StopSession,
};
use onair_api::{
    AttachmentView, BlockerList, Certificate, Eviction, Flushed, Health, Memory, SessionId,
    SessionProblem, SessionProblemKind, SessionRef, SessionState, SessionView, Source,
    SpecDocument, Verdict,
};
use onair_certificate::verify;
use serde_json::{Value, json};

use crate::daemon::http::{Answer, Http};
use crate::daemon::spec::{QUOTA, Raster, receive, send};
use crate::until::{Deadline, time_scale, until, wait_for};

/// Longest time for any answer. A daemon that is slower is wedged.
const LIMIT: Duration = Duration::from_secs(30);

/// One connection, kept open between requests.
#[derive(Debug)]
pub struct Control(Http);

impl Control {
    /// Connects to `socket`.
    ///
    /// # Errors
    /// No process listens there.
    pub fn connect(socket: &Path) -> Result<Self> {
        Ok(Self(Http::connect(socket, LIMIT * time_scale())?))
    }

    /// Sends a request and gives the answer, whatever its status. A null `body` is none.
    ///
    /// # Errors
    /// No answer within half a minute.
    pub fn request(&mut self, method: &str, path: &str, body: &Value) -> Result<Answer> {
        self.0.request(method, path, body)
    }

    /// `GET path`.
    pub fn get(&mut self, path: &str) -> Result<Answer> {
        self.request("GET", path, &Value::Null)
    }

    /// `POST path` without a body.
    pub fn post(&mut self, path: &str) -> Result<Answer> {
        self.request("POST", path, &Value::Null)
    }

    /// Requests an operation; the answer may be a refusal.
    pub fn ask<O: ApiOperation>(&mut self, target: &O::Target, input: Sent) -> Result<Answer> {
        let (body, query) = input.parts();
        let path = O::path(target) + &query;
        self.request(
            &O::ENTRY.method.to_string(),
            &path,
            &body.unwrap_or_default(),
        )
    }

    /// The document of an operation, which must succeed, without a body.
    pub fn call<O: ApiOperation<Input: Default>>(
        &mut self,
        target: &O::Target,
    ) -> Result<O::Document> {
        self.document::<O>(target, O::Input::default().sent())
    }

    fn document<O: ApiOperation>(
        &mut self,
        target: &O::Target,
        input: Sent,
    ) -> Result<O::Document> {
        let answer = self.ask::<O>(target, input)?;
        answer.document().with_context(|| O::ENTRY.id())
    }

    /// Requests an operation on a session; the answer may be a refusal. A null `body` is none.
    pub fn try_on<O: ApiOperation<Target = SessionRef>>(
        &mut self,
        session: impl Display,
        body: Value,
    ) -> Result<Answer> {
        self.ask::<O>(&reference(session)?, sent(body))
    }

    /// The document of an operation on a session, which must succeed.
    pub fn on<O: ApiOperation<Target = SessionRef>>(
        &mut self,
        session: impl Display,
        body: Value,
    ) -> Result<O::Document> {
        self.document::<O>(&reference(session)?, sent(body))
    }

    /// How the daemon is. It answers 503 when it is not ready; that is no error here.
    pub fn health(&mut self) -> Result<Health> {
        let answer = self.ask::<ShowHealth>(&(), ().sent())?;
        Ok(serde_json::from_value(answer.json)?)
    }

    /// What health names, but for sessions that are sent nothing, or send nothing: those of most tests.
    ///
    /// # Errors
    /// As [`Self::health`].
    pub fn troubles(&mut self) -> Result<Vec<String>> {
        let mut problems = self.health()?.problems;
        let is_silence =
            |it: &String| it.contains("no packet to ") || it.contains("no frame is sent ");
        problems.retain(|it| !is_silence(it));
        Ok(problems)
    }

    /// Creates a session; the answer may be a refusal.
    pub fn try_create(&mut self, spec: &SpecDocument) -> Result<Answer> {
        self.ask::<CreateSession>(&(), Sent::Body(serde_json::to_value(spec)?))
    }

    /// Creates a session.
    pub fn create(&mut self, spec: &SpecDocument) -> Result<SessionView> {
        self.try_create(spec)?.document()
    }

    /// Creates a session of small frames that receives on port `b` at UDP port `udp`.
    pub fn receiver(&mut self, name: &str, udp: u16) -> Result<SessionView> {
        self.create(&receive(name, Raster::SMALL, udp))
    }

    /// Creates a session that receives on port `b` at UDP port `udp`. Each client may have so many
    /// frames that a busy machine does not make it too slow.
    pub fn ample(&mut self, name: &str, raster: Raster, udp: u16) -> Result<SessionView> {
        self.create(&SpecDocument {
            quota: Some(QUOTA),
            ..receive(name, raster, udp)
        })
    }

    /// Creates a session that sends the built-in pattern, in small frames, to UDP port `udp` of
    /// port `b`.
    pub fn pattern(&mut self, name: &str, udp: u16) -> Result<SessionView> {
        self.create(&send(name, Raster::SMALL, udp, Source::Pattern))
    }

    /// Shows a session.
    pub fn show(&mut self, session: impl Display) -> Result<SessionView> {
        self.on::<ShowSession>(session, Value::Null)
    }

    /// What each witness says of a session.
    pub fn verdict(&mut self, session: impl Display) -> Result<Verdict> {
        self.on::<ShowVerdict>(session, Value::Null)
    }

    /// Starts a session.
    pub fn start(&mut self, session: impl Display) -> Result<SessionView> {
        self.on::<StartSession>(session, Value::Null)
    }

    /// Stops a session.
    pub fn stop(&mut self, session: impl Display) -> Result<SessionView> {
        self.on::<StopSession>(session, Value::Null)
    }

    /// Waits until what was submitted to a session is sent, or the answer is a refusal.
    pub fn try_flush(&mut self, session: &str, deadline_ms: u64) -> Result<Answer> {
        self.try_on::<FlushSession>(session, within(deadline_ms))
    }

    /// Waits until what was submitted to a session is sent.
    ///
    /// # Errors
    /// When it is refused, or takes longer than 20 seconds.
    pub fn flush(&mut self, session: &str) -> Result<Flushed> {
        self.try_flush(session, 20_000)?.document()
    }

    /// Evicts one client, or the answer is a refusal.
    pub fn try_evict(&mut self, session: &str, attachment: u64) -> Result<Answer> {
        self.ask::<EvictAttachment>(&(reference(session)?, attachment), ().sent())
    }

    /// Evicts one client.
    pub fn evict(&mut self, session: &str, attachment: u64) -> Result<Eviction> {
        self.try_evict(session, attachment)?.document()
    }

    /// Evicts all clients.
    pub fn evict_all(&mut self, session: &str) -> Result<Vec<Eviction>> {
        Ok(self.on::<EvictAll>(session, Value::Null)?.evicted)
    }

    /// Evicts all clients and destroys the session.
    pub fn abort(&mut self, session: &str) -> Result<Certificate> {
        self.on::<AbortSession>(session, Value::Null)
    }

    /// Quarantines a stopped session with its users.
    pub fn quarantine(&mut self, session: &str) -> Result<Certificate> {
        self.on::<QuarantineSession>(session, Value::Null)
    }

    /// The certificate of a session, or the last one of that name.
    pub fn certificate(&mut self, session: impl Display) -> Result<Certificate> {
        self.on::<ShowCertificate>(session, Value::Null)
    }

    /// The certificate of a session once its memory is given back, found to hold.
    ///
    /// # Errors
    /// When the memory is not given back in half a minute, or a claim of the certificate fails.
    pub fn completed(&mut self, session: SessionId) -> Result<Certificate> {
        until("the memory to be given back", Deadline::seconds(30), || {
            let answer = self.try_on::<ShowCertificate>(session, Value::Null)?;
            let found = verify(&answer.json)?;
            ensure!(found.holds, "{:#?}\n{:#}", found.checks, answer.json);
            let certificate: Certificate = answer.document()?;
            let is_back = matches!(certificate.memory, Memory::Returned { .. });
            Ok(is_back.then_some(certificate))
        })
    }

    /// The users of a session.
    pub fn blockers(&mut self, session: &str) -> Result<BlockerList> {
        self.on::<ListBlockers>(session, Value::Null)
    }

    /// The threads that the daemon names as users of a session.
    pub fn blocking_tids(&mut self, session: &str) -> Result<BTreeSet<u32>> {
        let blockers = self.blockers(session)?.blockers;
        Ok(blockers.iter().filter_map(|it| it.tid).collect())
    }

    /// Destroys a session now; the answer may be a refusal.
    pub fn try_destroy(&mut self, session: impl Display) -> Result<Answer> {
        self.try_on::<DestroySession>(session, Value::Null)
    }

    /// Destroys a session now.
    pub fn destroy(&mut self, session: impl Display) -> Result<Certificate> {
        self.try_destroy(session)?.document()
    }

    /// Destroys a session as soon as its last user has left; the answer may be a refusal.
    pub fn try_destroy_wait(&mut self, session: impl Display, deadline_ms: u64) -> Result<Answer> {
        self.try_on::<DestroySessionWait>(session, within(deadline_ms))
    }

    /// Destroys a session as soon as its last user has left, within ten seconds, or longer on a slow
    /// machine.
    pub fn destroy_wait(&mut self, session: impl Display) -> Result<Certificate> {
        let deadline_ms = 10_000 * u64::from(time_scale());
        self.try_destroy_wait(session, deadline_ms)?.document()
    }

    /// Stops a session, and destroys it as [`Self::destroy_wait`] does.
    pub fn end(&mut self, session: impl Display) -> Result<Certificate> {
        let session = session.to_string();
        self.stop(&session)?;
        self.destroy_wait(&session)
    }

    /// Waits until no client is attached to a session, beside the daemon's own converter.
    ///
    /// # Errors
    /// A client stays for half a minute.
    pub fn deserted(&mut self, session: &str) -> Result<()> {
        self.await_view(session, "without attachments", |it| {
            it.attachments.iter().all(is_converter)
        })
    }

    /// Waits until a session has this state.
    ///
    /// # Errors
    /// Not within half a minute.
    pub fn await_state(&mut self, session: &str, state: SessionState) -> Result<()> {
        self.await_view(session, state, |it| it.state == state)
    }

    /// Waits until a session is as it is `wanted`.
    ///
    /// # Errors
    /// Not within half a minute.
    pub fn await_view(
        &mut self,
        session: &str,
        what: impl Display,
        mut wanted: impl FnMut(&SessionView) -> bool,
    ) -> Result<()> {
        wait_for(format_args!("{session} to be {what}"), 30, || {
            Ok(wanted(&self.show(session)?))
        })
    }

    /// Waits until a session has a problem of this kind, and gives it.
    ///
    /// # Errors
    /// Not within half a minute.
    pub fn await_problem(
        &mut self,
        session: &str,
        kind: SessionProblemKind,
    ) -> Result<SessionProblem> {
        until(
            format_args!("{kind} of {session}"),
            Deadline::seconds(30),
            || {
                let problems = self.show(session)?.problems;
                Ok(problems.into_iter().find(|it| it.problem == kind))
            },
        )
    }
}

/// Whether an attachment is the daemon's own converter.
pub fn is_converter(it: &AttachmentView) -> bool {
    it.command == "onair-convert"
}

fn reference(session: impl Display) -> Result<SessionRef> {
    Ok(session.to_string().parse()?)
}

fn within(deadline_ms: u64) -> Value {
    json!({ "deadline_ms": deadline_ms })
}

fn sent(body: Value) -> Sent {
    match body {
        Value::Null => ().sent(),
        body => Sent::Body(body),
    }
}
