//! The operations of `control.sock`, with answers as they are.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use onair_stage::{Answer, Deadline, Http, until, wait_for};
use onair_types::{
    BlockerList, Certificate, Eviction, EvictionList, Flushed, Health, Memory, SessionId,
    SessionState, SessionView, SpecDocument, verify,
};
use serde_json::{Value, json};

/// Longest time for any answer. A daemon that is slower is wedged.
const LIMIT: Duration = Duration::from_secs(30);

/// One connection, kept open between requests.
#[derive(Debug)]
pub struct Control(Http);

impl Control {
    /// Connects to `socket`.
    pub fn connect(socket: &Path) -> Result<Self> {
        Ok(Self(Http::connect(socket, LIMIT)?))
    }

    /// The connection, for a request whose answer is to be read later, or never.
    #[must_use]
    pub fn into_http(self) -> Http {
        self.0
    }

    /// Sends a request and gives the answer, whatever its status. A null `body` is none.
    ///
    /// # Errors
    /// No answer within half a minute.
    pub fn request(&mut self, method: &str, path: &str, body: &Value) -> Result<Answer> {
        self.0.request(method, path, body)
    }

    /// `POST` of `operation` on a session.
    fn on(&mut self, session: &str, operation: &str, body: &Value) -> Result<Answer> {
        self.request("POST", &format!("/v1/sessions/{session}/{operation}"), body)
    }

    /// `GET path`.
    pub fn get(&mut self, path: &str) -> Result<Answer> {
        self.request("GET", path, &Value::Null)
    }

    /// `POST path` without a body.
    pub fn post(&mut self, path: &str) -> Result<Answer> {
        self.request("POST", path, &Value::Null)
    }

    /// How the daemon is. It answers 503 when it is not ready; that is no error here.
    pub fn health(&mut self) -> Result<Health> {
        let answer = self.get("/v1/health")?;
        Ok(serde_json::from_value(answer.json)?)
    }

    /// Creates a session.
    pub fn create(&mut self, spec: &SpecDocument) -> Result<SessionView> {
        self.request("POST", "/v1/sessions", &serde_json::to_value(spec)?)?
            .document()
    }

    /// Shows a session.
    pub fn show(&mut self, session: &str) -> Result<SessionView> {
        self.get(&format!("/v1/sessions/{session}"))?.document()
    }

    /// Starts a session.
    pub fn start(&mut self, session: &str) -> Result<SessionView> {
        self.on(session, "start", &Value::Null)?.document()
    }

    /// Stops a session.
    pub fn stop(&mut self, session: &str) -> Result<SessionView> {
        self.on(session, "stop", &Value::Null)?.document()
    }

    /// Waits until what was submitted to a session is sent, or the answer is a refusal.
    pub fn try_flush(&mut self, session: &str, deadline_ms: u64) -> Result<Answer> {
        self.on(session, "flush", &json!({ "deadline_ms": deadline_ms }))
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
        let operation = format!("attachments/{attachment}/evict");
        self.on(session, &operation, &Value::Null)
    }

    /// Evicts one client.
    pub fn evict(&mut self, session: &str, attachment: u64) -> Result<Eviction> {
        self.try_evict(session, attachment)?.document()
    }

    /// Evicts all clients.
    pub fn evict_all(&mut self, session: &str) -> Result<Vec<Eviction>> {
        let list: EvictionList = self.on(session, "evict", &Value::Null)?.document()?;
        Ok(list.evicted)
    }

    /// Evicts all clients and destroys the session.
    pub fn abort(&mut self, session: &str) -> Result<Certificate> {
        self.on(session, "abort", &Value::Null)?.document()
    }

    /// Quarantines a stopped session with its users.
    pub fn quarantine(&mut self, session: &str) -> Result<Certificate> {
        self.on(session, "quarantine", &Value::Null)?.document()
    }

    /// The certificate of a session once its memory is given back, found to hold.
    ///
    /// # Errors
    /// When the memory is not given back in half a minute, or a claim of the certificate fails.
    pub fn completed(&mut self, session: SessionId) -> Result<Certificate> {
        let path = format!("/v1/sessions/{session}/certificate");
        until("the memory to be given back", Deadline::seconds(30), || {
            let answer = self.get(&path)?;
            let found = verify(&answer.json)?;
            ensure!(found.holds, "{:#?}\n{:#}", found.checks, answer.json);
            let certificate: Certificate = answer.document()?;
            let is_back = matches!(certificate.memory, Memory::Returned { .. });
            Ok(is_back.then_some(certificate))
        })
    }

    /// Who uses a session.
    pub fn blockers(&mut self, session: &str) -> Result<BlockerList> {
        self.get(&format!("/v1/sessions/{session}/blockers"))?
            .document()
    }

    /// Destroys a session now; the answer may be a refusal.
    pub fn try_destroy(&mut self, session: &str) -> Result<Answer> {
        self.on(session, "destroy", &Value::Null)
    }

    /// Destroys a session now.
    pub fn destroy(&mut self, session: &str) -> Result<Certificate> {
        self.try_destroy(session)?.document()
    }

    /// Destroys a session as soon as its last user has left, within ten seconds.
    pub fn destroy_wait(&mut self, session: &str) -> Result<Certificate> {
        let wait = json!({ "deadline_ms": 10_000 });
        self.on(session, "destroy_wait", &wait)?.document()
    }

    /// Waits until no client is attached to a session.
    ///
    /// # Errors
    /// A client stays for half a minute.
    pub fn deserted(&mut self, session: &str) -> Result<()> {
        wait_for(
            format_args!("the attachments of {session} to end"),
            30,
            || {
                let view = self.show(session)?;
                Ok(view.attachments.is_empty())
            },
        )
    }

    /// Waits until a session has this state.
    ///
    /// # Errors
    /// Not within half a minute.
    pub fn await_state(&mut self, session: &str, state: SessionState) -> Result<()> {
        wait_for(format_args!("{session} to be {state}"), 30, || {
            Ok(self.show(session)?.state == state)
        })
    }
}
