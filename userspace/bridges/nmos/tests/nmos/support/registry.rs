//! A Registration API that checks what it gets.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::extract::{Path, Request, State};
use axum::http::header::CONTENT_LENGTH;
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, post};
use axum::{Json, Router};
use onair_http::{Limits, serve};
use onair_nmos::endpoint::Endpoint;
use onair_nmos::registration::BASE;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::schemas::check;

/// What a registry does with a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mood {
    /// As the specification says.
    Fine,
    /// This status, and it forgets the request.
    Says(u16),
    /// Says nothing for ever.
    Silent,
}

/// What it has and has got.
#[derive(Debug, Default)]
pub(crate) struct Books {
    /// Resources by type and id.
    pub(crate) resources: BTreeMap<(String, String), Value>,
    /// Each request, shortly.
    pub(crate) log: Vec<String>,
    moods: VecDeque<Mood>,
    always: Option<Mood>,
}

/// A registry on a loopback port.
#[derive(Clone, Debug)]
pub(crate) struct TestRegistry {
    pub(crate) registry: Endpoint,
    books: Arc<Mutex<Books>>,
    changed: watch::Sender<usize>,
    ending: watch::Sender<bool>,
}

impl TestRegistry {
    pub(crate) async fn start(priority: u32) -> Self {
        Self::over(priority, None).await
    }

    /// Over TLS, with the name by which it is asked, if there is one.
    pub(crate) async fn over(priority: u32, tls: Option<(&str, TlsAcceptor)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let it = Self {
            registry: Endpoint {
                priority,
                host: "127.0.0.1".to_owned(),
                port: listener.local_addr().unwrap().port(),
                tls: tls.as_ref().map(|(name, _)| (*name).to_owned()),
            },
            books: Arc::default(),
            changed: watch::channel(0).0,
            ending: watch::channel(false).0,
        };
        let router = Router::new()
            .route(&format!("{BASE}/resource"), post(take))
            .route(&format!("{BASE}/resource/{{kind}}/{{id}}"), delete(forget))
            .route(&format!("{BASE}/health/nodes/{{id}}"), post(health))
            .with_state(it.clone())
            .layer(from_fn_with_state(it.clone(), moody));
        let listening = (listener, tls.map(|(_, acceptor)| acceptor));
        let over = it.ending.subscribe();
        tokio::spawn(serve(listening, router, Limits::default(), over));
        it
    }

    pub(crate) fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap()
    }

    /// The next requests meet these moods.
    pub(crate) fn moods(&self, moods: &[Mood]) {
        self.books().moods.extend(moods);
    }

    /// From now on, all do.
    pub(crate) fn always(&self, mood: Mood) {
        self.books().always = Some(mood);
    }

    /// Loses what it has.
    pub(crate) fn restart(&self) {
        self.books().resources.clear();
    }

    /// Waits until its books are so.
    pub(crate) async fn until(&self, so: impl Fn(&Books) -> bool) {
        let mut changed = self.changed.subscribe();
        let waits = async {
            while !so(&self.books()) {
                changed.changed().await.unwrap();
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(60), waits).await;
        assert!(waited.is_ok(), "{:#?}", self.books().log);
    }

    fn note(&self, line: String) {
        self.books().log.push(line);
    }
}

async fn moody(State(it): State<TestRegistry>, request: Request, next: Next) -> Response {
    let mood = {
        let mut books = it.books();
        let next = books.moods.pop_front();
        next.or(books.always).unwrap_or(Mood::Fine)
    };
    let response = match mood {
        // RFC 9110 §8.6, which the public test tool asks for, too.
        Mood::Fine if is_post_without_length(&request) => {
            StatusCode::LENGTH_REQUIRED.into_response()
        }
        Mood::Fine => next.run(request).await,
        Mood::Says(status) => {
            it.note(format!("{status}"));
            StatusCode::from_u16(status).unwrap().into_response()
        }
        Mood::Silent => {
            it.note("silent".to_owned());
            it.changed.send_modify(|it| *it += 1);
            std::future::pending().await
        }
    };
    it.changed.send_modify(|it| *it += 1);
    response
}

fn is_post_without_length(request: &Request) -> bool {
    request.method() == Method::POST && !request.headers().contains_key(CONTENT_LENGTH)
}

async fn take(State(it): State<TestRegistry>, Json(body): Json<Value>) -> Response {
    check("registrationapi-resource-post-request", &body);
    let kind = body["type"].as_str().unwrap().to_owned();
    let (data, id) = (
        body["data"].clone(),
        body["data"]["id"].as_str().unwrap().to_owned(),
    );
    check(&kind, &data);
    it.note(format!("post {kind}"));
    let parent = match kind.as_str() {
        "node" => None,
        "device" => Some(("node", "node_id")),
        "flow" => Some(("source", "source_id")),
        _ => Some(("device", "device_id")),
    };
    let mut books = it.books();
    if let Some((parent, field)) = parent {
        let key = (parent.to_owned(), data[field].as_str().unwrap().to_owned());
        if !books.resources.contains_key(&key) {
            return StatusCode::BAD_REQUEST.into_response();
        }
    }
    let old = books.resources.insert((kind, id), data.clone());
    let status = match old {
        None => StatusCode::CREATED,
        Some(_) => StatusCode::OK,
    };
    (status, Json(data)).into_response()
}

async fn forget(
    State(it): State<TestRegistry>,
    Path((plural, id)): Path<(String, String)>,
) -> StatusCode {
    let kind = plural.trim_end_matches('s').to_owned();
    it.note(format!("delete {kind}"));
    let mut books = it.books();
    if kind == "node" {
        books.resources.clear();
        return StatusCode::NO_CONTENT;
    }
    match books.resources.remove(&(kind, id)) {
        Some(_) => StatusCode::NO_CONTENT,
        None => StatusCode::NOT_FOUND,
    }
}

async fn health(State(it): State<TestRegistry>, Path(id): Path<String>) -> Response {
    it.note("heartbeat".to_owned());
    match it.books().resources.contains_key(&("node".to_owned(), id)) {
        true => Json(json!({"health": "1"})).into_response(),
        false => StatusCode::NOT_FOUND.into_response(),
    }
}
