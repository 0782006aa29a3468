//! A client of `control.sock` that shows answers as they are: status, media type, JSON.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use onair_stage::{Deadline, until};
use onair_types::{
    BlockerList, Certificate, Eviction, EvictionList, Flushed, Health, Memory, SessionId,
    SessionView, SpecDocument, verify,
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};

/// Longest time for any answer. A daemon that is slower is wedged.
const LIMIT: Duration = Duration::from_secs(30);

/// One connection, kept open between requests.
#[derive(Debug)]
pub struct Control {
    runtime: Runtime,
    connection: SendRequest<Full<Bytes>>,
}

/// An answer as it came.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// `Content-Type`.
    pub media_type: String,
    /// The body, when it is JSON; null when it is empty or something else.
    pub json: Value,
}

impl Answer {
    /// The stable code of a problem; empty for a success.
    #[must_use]
    pub fn code(&self) -> &str {
        self.json["code"].as_str().unwrap_or_default()
    }

    /// The document of a success.
    ///
    /// # Errors
    /// For an error status, or another document: the message has the body.
    pub fn document<T: DeserializeOwned>(self) -> Result<T> {
        if !(200..300).contains(&self.status) {
            bail!("the daemon answered {}: {}", self.status, self.json);
        }
        serde_json::from_value(self.json.clone())
            .with_context(|| format!("not the document that was expected: {}", self.json))
    }
}

impl Control {
    /// Connects to `socket`.
    ///
    /// # Errors
    /// When nobody listens there.
    pub fn connect(socket: &Path) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let connection = runtime.block_on(async {
            let stream = UnixStream::connect(socket)
                .await
                .with_context(|| format!("connecting to {}", socket.display()))?;
            let (sender, driver) = handshake(TokioIo::new(stream)).await?;
            // Runs whenever the runtime does; its error is that of the request that meets it.
            tokio::spawn(driver);
            Ok::<_, anyhow::Error>(sender)
        })?;
        Ok(Self {
            runtime,
            connection,
        })
    }

    /// Sends a request and gives the answer, whatever its status. A null `body` is none.
    ///
    /// # Errors
    /// When there is no answer within half a minute.
    pub fn request(&mut self, method: &str, path: &str, body: &Value) -> Result<Answer> {
        let bytes = if body.is_null() {
            Vec::new()
        } else {
            serde_json::to_vec(body)?
        };
        let mut request = Request::builder()
            .method(Method::from_bytes(method.as_bytes())?)
            .uri(path)
            .header("host", "onaird");
        if !bytes.is_empty() {
            request = request.header("content-type", "application/json");
        }
        let request = request.body(Full::new(Bytes::from(bytes)))?;
        let connection = &mut self.connection;
        let exchange = async {
            let answer = connection.send_request(request).await?;
            let (head, body) = answer.into_parts();
            Ok::<_, hyper::Error>((head, body.collect().await?.to_bytes()))
        };
        let (head, body) = self
            .runtime
            .block_on(async { tokio::time::timeout(LIMIT, exchange).await })
            .with_context(|| format!("{method} {path}: no answer within {LIMIT:?}"))?
            .with_context(|| format!("{method} {path}"))?;
        let media_type = head
            .headers
            .get("content-type")
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        Ok(Answer {
            status: head.status.as_u16(),
            media_type,
            json: serde_json::from_slice(&body).unwrap_or(Value::Null),
        })
    }

    /// `GET path`.
    ///
    /// # Errors
    /// As [`Control::request`].
    pub fn get(&mut self, path: &str) -> Result<Answer> {
        self.request("GET", path, &Value::Null)
    }

    /// `POST path` without a body.
    ///
    /// # Errors
    /// As [`Control::request`].
    pub fn post(&mut self, path: &str) -> Result<Answer> {
        self.request("POST", path, &Value::Null)
    }

    /// How the daemon is. It answers 503 when it is not ready; that is no error here.
    ///
    /// # Errors
    /// As [`Control::request`].
    pub fn health(&mut self) -> Result<Health> {
        let answer = self.get("/v1/health")?;
        Ok(serde_json::from_value(answer.json)?)
    }

    /// Creates a session.
    ///
    /// # Errors
    /// When it is refused.
    pub fn create(&mut self, spec: &SpecDocument) -> Result<SessionView> {
        self.request("POST", "/v1/sessions", &serde_json::to_value(spec)?)?
            .document()
    }

    /// Shows a session.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn show(&mut self, session: &str) -> Result<SessionView> {
        self.get(&format!("/v1/sessions/{session}"))?.document()
    }

    /// Starts a session.
    ///
    /// # Errors
    /// When it is refused.
    pub fn start(&mut self, session: &str) -> Result<SessionView> {
        self.post(&format!("/v1/sessions/{session}/start"))?
            .document()
    }

    /// Stops a session.
    ///
    /// # Errors
    /// When it is refused.
    pub fn stop(&mut self, session: &str) -> Result<SessionView> {
        self.post(&format!("/v1/sessions/{session}/stop"))?
            .document()
    }

    /// Waits until what was submitted to a session is sent, or the answer is a refusal.
    ///
    /// # Errors
    /// As [`Control::request`].
    pub fn try_flush(&mut self, session: &str, deadline_ms: u64) -> Result<Answer> {
        let wait = serde_json::json!({ "deadline_ms": deadline_ms });
        self.request("POST", &format!("/v1/sessions/{session}/flush"), &wait)
    }

    /// Waits until what was submitted to a session is sent.
    ///
    /// # Errors
    /// When it is refused, or takes longer than 20 seconds.
    pub fn flush(&mut self, session: &str) -> Result<Flushed> {
        self.try_flush(session, 20_000)?.document()
    }

    /// Cuts one client off, or the answer is a refusal.
    ///
    /// # Errors
    /// As [`Control::request`].
    pub fn try_evict(&mut self, session: &str, attachment: u64) -> Result<Answer> {
        let path = format!("/v1/sessions/{session}/attachments/{attachment}/evict");
        self.post(&path)
    }

    /// Cuts one client off.
    ///
    /// # Errors
    /// When it is refused.
    pub fn evict(&mut self, session: &str, attachment: u64) -> Result<Eviction> {
        self.try_evict(session, attachment)?.document()
    }

    /// Cuts everybody off.
    ///
    /// # Errors
    /// When it is refused.
    pub fn evict_all(&mut self, session: &str) -> Result<Vec<Eviction>> {
        let list: EvictionList = self
            .post(&format!("/v1/sessions/{session}/evict"))?
            .document()?;
        Ok(list.evicted)
    }

    /// Cuts everybody off and destroys the session.
    ///
    /// # Errors
    /// When it is refused.
    pub fn abort(&mut self, session: &str) -> Result<Certificate> {
        self.post(&format!("/v1/sessions/{session}/abort"))?
            .document()
    }

    /// Sets a stopped session aside with its users.
    ///
    /// # Errors
    /// When it is refused.
    pub fn quarantine(&mut self, session: &str) -> Result<Certificate> {
        self.post(&format!("/v1/sessions/{session}/quarantine"))?
            .document()
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
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn blockers(&mut self, session: &str) -> Result<BlockerList> {
        self.get(&format!("/v1/sessions/{session}/blockers"))?
            .document()
    }

    /// Destroys a session now; the answer may be a refusal.
    ///
    /// # Errors
    /// As [`Control::request`].
    pub fn try_destroy(&mut self, session: &str) -> Result<Answer> {
        self.post(&format!("/v1/sessions/{session}/destroy"))
    }

    /// Destroys a session now.
    ///
    /// # Errors
    /// When it is refused.
    pub fn destroy(&mut self, session: &str) -> Result<Certificate> {
        self.try_destroy(session)?.document()
    }

    /// Destroys a session as soon as its last user has left, within ten seconds.
    ///
    /// # Errors
    /// When somebody has not left by then.
    pub fn destroy_wait(&mut self, session: &str) -> Result<Certificate> {
        let wait = serde_json::json!({ "deadline_ms": 10_000 });
        self.request(
            "POST",
            &format!("/v1/sessions/{session}/destroy_wait"),
            &wait,
        )?
        .document()
    }
}
