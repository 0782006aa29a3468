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
mod kept;
mod login;
mod looks;
mod play;
mod session;
mod stream;

pub use play::Players;

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use onair_control::{Client, ControlError};
use onair_http::Limits;
use serde_json::json;
use tokio::sync::watch;

use crate::daemon::Daemon;
use crate::looks::Looks;
use crate::news::News;
use crate::users::Users;

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
        .route("/api/stream", get(stream::stream))
        .route("/api/looks", get(looks::looks))
        .route("/api/session/{id}", get(session::session))
        .route("/api/certificates", get(kept::certificates))
        .route("/api/certificates/{id}", get(kept::certificate))
        .route("/api/recordings", get(kept::recordings))
        .route("/api/recordings/{id}", get(kept::recording))
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
