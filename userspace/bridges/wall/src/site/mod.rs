//! The HTTP side: what each path answers.
//!
//! | path | answer |
//! |---|---|
//! | `/`, `/NAME.js`, `/wall.css` | the page |
//! | `/api/stream` | what changes: server-sent events |
//! | `/api/looks` | pictures and levels, once there are new ones |
//! | `/api/session/ID` | all that is known of a session |
//! | `/api/certificates`, `/api/recordings` | what the daemon keeps |
//! | `/api/recordings/ID/play` | pictures or sound of a recording |
//! | `/api/me`, `/api/login`, `/api/logout` | who the viewer is |
//! | `/api/do` | an action, of users that logged in |
//!
//! [`guard`] stands before all of them.

mod act;
mod files;
mod guard;
mod login;
mod looks;
mod play;

pub use play::Players;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::stream::unfold;
use onair_api::operations::{
    CertificateQuery, ListBlockers, ListCertificates, ListRecordings, RecordingQuery,
    ShowKeptCertificate, ShowRecording, ShowSession, ShowVerdict,
};
use onair_api::{Operation, RecordingId, RecordingRef, SessionId, SessionRef, Timestamp};
use onair_control::{Answer, Client, ControlError};
use onair_http::Limits;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::daemon::Daemon;
use crate::looks::Looks;
use crate::news::News;
use crate::users::Users;

/// Certificates of one answer.
const MOST: usize = 200;
/// The daemon reads them from its disk.
const LONGER: Duration = Duration::from_secs(10);
/// A viewer without news hears of the wall within this time: a connection that broke is found out.
const SILENCE: Duration = Duration::from_secs(15);
/// How long a browser waits before it connects again.
const RETRY: &[u8] = b"retry: 1000\n\n";

/// State that answers are made of.
#[derive(Clone, Debug)]
pub struct Site {
    /// The daemon's control socket.
    pub client: Client,
    /// The daemon.
    pub daemon: Daemon,
    /// Changes for viewers.
    pub news: News,
    /// Pictures and levels.
    pub looks: Looks,
    /// Viewers that play recordings.
    pub players: Players,
    /// Users that may log in; `None`: there are none.
    pub users: Option<Arc<Users>>,
    /// Host names that it answers to.
    pub names: Arc<[String]>,
    /// The daemon is on another machine.
    pub is_remote: bool,
    /// It is served over TLS.
    pub is_tls: bool,
    /// Limits of one request.
    pub limits: Limits,
    /// True when the process ends.
    pub ending: watch::Receiver<bool>,
}

/// All paths.
pub fn router(site: Site) -> Router {
    Router::new()
        .merge(files::router())
        .route("/api/stream", get(stream))
        .route("/api/looks", get(looks::looks))
        .route("/api/session/{id}", get(session))
        .route("/api/certificates", get(certificates))
        .route("/api/certificates/{id}", get(certificate))
        .route("/api/recordings", get(recordings))
        .route("/api/recordings/{id}", get(recording))
        .route("/api/recordings/{id}/play", get(play::play))
        .route("/api/me", get(login::me))
        .route("/api/login", post(login::login))
        .route("/api/logout", post(login::logout))
        .route("/api/do", post(act::act))
        .fallback(async || Refusal::new(StatusCode::NOT_FOUND, "there is nothing at this path"))
        .layer(from_fn_with_state(site.clone(), guard::guard))
        .with_state(site)
}

/// An error, which the page shows.
#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    error: String,
    /// The daemon's reason.
    problem: Option<Box<onair_api::Problem>>,
}

impl Refusal {
    fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self {
            status,
            error: error.into(),
            problem: None,
        }
    }
}

impl From<ControlError> for Refusal {
    fn from(error: ControlError) -> Self {
        let text = error.to_string();
        match error {
            ControlError::Refused(problem) => Self {
                status: StatusCode::from_u16(problem.status).unwrap_or(StatusCode::CONFLICT),
                error: text,
                problem: Some(problem),
            },
            _ => Self::new(StatusCode::BAD_GATEWAY, text),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({"error": self.error, "problem": self.problem});
        (self.status, Json(body)).into_response()
    }
}

/// A search; what is empty is not asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Search {
    session: String,
    operation: Option<Operation>,
    /// RFC 3339.
    since: Option<Timestamp>,
}

fn reference(text: &str) -> Result<SessionRef, Refusal> {
    let parsed = text.parse::<SessionRef>();
    parsed.map_err(|it| Refusal::new(StatusCode::BAD_REQUEST, it.to_string()))
}

/// The newest certificates that a search finds.
async fn certificates(
    State(site): State<Site>,
    Query(search): Query<Search>,
) -> Result<Json<Value>, Refusal> {
    let session = match search.session.trim() {
        "" => None,
        text => Some(reference(text)?),
    };
    let query = CertificateQuery {
        session,
        operation: search.operation,
        since: search.since,
        limit: Some(MOST),
    };
    let sent = onair_api::operations::Input::sent(&query);
    let list = site
        .client
        .send::<ListCertificates>(&(), sent, LONGER)
        .await;
    Ok(Json(list.map(|it: Answer<_>| it.value)?))
}

/// One certificate.
async fn certificate(
    State(site): State<Site>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let target = reference(&id)?;
    let answer = site.client.call::<ShowKeptCertificate>(&target, &()).await;
    Ok(Json(answer?.value))
}

/// Recordings, oldest first.
async fn recordings(State(site): State<Site>) -> Result<Json<Value>, Refusal> {
    let query = RecordingQuery::default();
    let answer = site.client.call::<ListRecordings>(&(), &query).await;
    Ok(Json(answer?.value))
}

/// One recording, with its first gaps.
async fn recording(
    State(site): State<Site>,
    Path(id): Path<RecordingId>,
) -> Result<Json<Value>, Refusal> {
    let answer = site
        .client
        .call::<ShowRecording>(&RecordingRef::Id(id), &())
        .await?;
    Ok(Json(answer.value))
}

/// The session as the daemon shows it, its users and what its end would say, and its last hour.
async fn session(
    State(site): State<Site>,
    Path(id): Path<SessionId>,
) -> Result<Json<Value>, Refusal> {
    let target = SessionRef::from(id);
    if site.daemon.facts().is_none() {
        let error = "the daemon has not answered yet: start onaird";
        return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, error));
    }
    let (view, blockers, verdict) = tokio::join!(
        site.client.call::<ShowSession>(&target, &()),
        site.client.call::<ListBlockers>(&target, &()),
        site.client.call::<ShowVerdict>(&target, &()),
    );
    // While it ends, the others may have no answer.
    let value = |it: Result<_, _>| it.map_or(Value::Null, |it: Value| it);
    let lines = match blockers.as_ref().map(|it| it.read()) {
        Ok(Ok(list)) => list.blockers.iter().map(ToString::to_string).collect(),
        _ => Vec::new(),
    };
    Ok(Json(json!({
        "view": view?.value,
        "users": lines,
        "blockers": value(blockers.map(|it| it.value)),
        "verdict": value(verdict.map(|it| it.value)),
        "history": site.daemon.history(id),
    })))
}

async fn stream(State(site): State<Site>, headers: HeaderMap) -> impl IntoResponse {
    let last = headers.get("last-event-id");
    let reader = site.news.follow(last.and_then(|it| it.to_str().ok()));
    let first = futures_util::stream::once(async { Ok(Bytes::from_static(RETRY)) });
    let rest = unfold((reader, site.ending), async |(mut reader, mut ending)| {
        let news = tokio::select! {
            _ = ending.wait_for(|it| *it) => return None,
            it = timeout(SILENCE, reader.next()) => it,
        };
        let bytes = match news {
            Ok(bytes) => bytes?,
            Err(_) => Bytes::from_static(b":\n\n"),
        };
        Some((Ok::<_, Infallible>(bytes), (reader, ending)))
    });
    let body = Body::from_stream(futures_util::StreamExt::chain(first, rest));
    ([(CONTENT_TYPE, "text/event-stream")], body)
}
