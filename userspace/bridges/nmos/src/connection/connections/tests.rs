//! Activations before a daemon that refuses some addresses.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use onair_api::{Problem, ProblemCode, SessionPatch, SessionState, SessionView, SpecError};
use onair_control::Client;
use serde_json::{Value, json};
use tokio::net::UnixListener;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use super::Connections;
use crate::connection::patch::Patch;
use crate::connection::refusal::Refusal;
use crate::connection::side::Side;
use crate::connection::state::ConnectionState;
use crate::connection::tests::facts;

/// A daemon with one session, which refuses addresses of 239.66: another session has them.
#[derive(Debug)]
struct Daemon {
    view: SessionView,
    /// Its requests, but for looks.
    asked: Vec<Value>,
    /// Changes are carried out, and answered when this says so.
    holds_answers: Option<Arc<Notify>>,
}

type Shared = Arc<Mutex<Daemon>>;

async fn answer(State(daemon): State<Shared>, method: Method, uri: Uri, body: Bytes) -> Response {
    let is_change = method == Method::PATCH;
    let (answer, held) = {
        let mut daemon = daemon.lock().unwrap();
        let answer = answer_now(&mut daemon, method, &uri, &body);
        (answer, daemon.holds_answers.clone().filter(|_| is_change))
    };
    if let Some(held) = held {
        held.notified().await;
    }
    answer
}

fn answer_now(daemon: &mut Daemon, method: Method, uri: &Uri, body: &Bytes) -> Response {
    if method != Method::GET {
        let body = serde_json::from_slice(body).unwrap_or(json!(uri.path()));
        daemon.asked.push(body);
    }
    let mut running = match uri.path() {
        it if it.ends_with("/stop") => Some(false),
        it if it.ends_with("/start") => Some(true),
        _ => None,
    };
    if method == Method::PATCH {
        let mut patch: SessionPatch = match uri.path() {
            "/v1/sessions" => {
                let group: Value = serde_json::from_slice(body).unwrap();
                serde_json::from_value(group["sessions"][0]["change"].clone()).unwrap()
            }
            _ => serde_json::from_slice(body).unwrap(),
        };
        let to = patch.flow.destination.take();
        if to.as_ref().is_some_and(|it| it.starts_with("239.66.")) {
            let errors = vec![SpecError::new("flow.destination", "is another session's")];
            let problem = Problem::of_fields(ProblemCode::InvalidSpec, errors);
            let kind = [(header::CONTENT_TYPE, "application/problem+json")];
            return (StatusCode::BAD_REQUEST, kind, Json(problem)).into_response();
        }
        running = patch.running;
        if let Some(to) = to {
            daemon.view.flow.destination = to;
        }
    }
    match running {
        Some(true) => daemon.view.state = SessionState::Running,
        Some(false) => daemon.view.state = SessionState::Stopped,
        None => {}
    }
    match (uri.path(), method) {
        ("/v1/sessions", Method::PATCH) => Json(json!({"sessions": []})).into_response(),
        _ => Json(daemon.view.clone()).into_response(),
    }
}

/// A controller of that session.
struct Plant {
    daemon: Shared,
    connections: Connections,
    id: String,
    _folder: tempfile::TempDir,
}

impl Plant {
    fn start(direction: &str) -> Self {
        let video = json!({"width": 1280, "height": 720, "frame_rate": "50/1", "depth": 10});
        let mut view = facts::session("cam1", direction, &json!({ "video": video }));
        view["flow"]["second_leg"] = Value::Null;
        let now = facts::facts(std::slice::from_ref(&view));
        let daemon = Arc::new(Mutex::new(Daemon {
            view: serde_json::from_value(view).unwrap(),
            asked: Vec::new(),
            holds_answers: None,
        }));
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("control.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let router = Router::new().fallback(answer).with_state(daemon.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let client = Client::new(&socket, Duration::from_secs(30));
        let (_, facts_of) = watch::channel(Some(Arc::new(now)));
        let connections = Connections::new(client, facts::ids(), facts_of);
        let side = Side::of(daemon.lock().unwrap().view.direction);
        let id = connections.ids(side)[0].to_string();
        Self {
            daemon,
            connections,
            id,
            _folder: folder,
        }
    }

    fn side(&self) -> Side {
        Side::of(self.daemon.lock().unwrap().view.direction)
    }

    /// Activates these changes: the status, and what the daemon was asked for.
    async fn activate(&self, mut body: Value) -> (u16, Vec<Value>) {
        body["activation"] = json!({"mode": "activate_immediate"});
        let side = self.side();
        let patch = Patch::read(side, body.to_string()).expect("a patch");
        let done = self.connections.patch(side, &self.id, patch).await;
        let status = done.map_or_else(|refusal| refusal.status().as_u16(), |_| 200);
        let mut asked = std::mem::take(&mut self.daemon.lock().unwrap().asked);
        // Afterwards the daemon keeps what is connected.
        asked.retain(|it| it.get("connected").is_none());
        (status, asked)
    }

    async fn show(&self, is_active: bool) -> Result<Value, Refusal> {
        let shown = match is_active {
            true => ConnectionState::show_active,
            false => ConnectionState::show_staged,
        };
        self.connections.show(self.side(), &self.id, shown).await
    }

    fn has(&self) -> (SessionState, String) {
        let daemon = self.daemon.lock().unwrap();
        (daemon.view.state, daemon.view.flow.destination.clone())
    }
}

fn to(side: Side, group: &str) -> Value {
    match side {
        Side::Sender => json!([{"destination_ip": group}]),
        Side::Receiver => json!([{"multicast_ip": group}]),
    }
}

#[tokio::test]
async fn refused_connection_then_parked_and_judged_when_it_is_to_flow() {
    for direction in ["receive", "send"] {
        let plant = Plant::start(direction);
        let side = plant.side();
        let (running, first) = (SessionState::Running, "239.1.1.1:5004".to_owned());
        let wrong = json!({"transport_params": to(side, "239.66.0.1")});
        assert_eq!(plant.activate(wrong).await.0, 400);
        assert_eq!(plant.has(), (running, first.clone()));

        // It stops, whatever is staged.
        let (status, asked) = plant.activate(json!({"master_enable": false})).await;
        assert_eq!(
            (status, asked[0]["running"].clone()),
            (200, json!(false)),
            "{asked:?}"
        );
        assert_eq!(plant.has(), (SessionState::Stopped, first.clone()));
        let active = plant.show(true).await.unwrap();
        assert_eq!(active["master_enable"], false);
        let name = if side == Side::Sender {
            "destination_ip"
        } else {
            "multicast_ip"
        };
        assert_eq!(active["transport_params"][0][name], "239.66.0.1");
        let (status, asked) = plant.activate(json!({"master_enable": false})).await;
        assert_eq!((status, asked.len()), (200, 1), "{asked:?}");

        let (status, asked) = plant.activate(json!({"master_enable": true})).await;
        assert_eq!((status, asked.len()), (400, 1), "{asked:?}");
        assert_eq!(plant.has(), (SessionState::Stopped, first));
        let staged = plant.show(false).await.unwrap();
        assert_eq!(staged["activation"]["mode"], Value::Null);
        assert_eq!(staged["transport_params"][0][name], "239.66.0.1");
        let right = json!({"transport_params": to(side, "239.7.0.1")});
        let (status, asked) = plant.activate(right).await;
        assert_eq!((status, asked.len()), (200, 1), "{asked:?}");
        assert_eq!(plant.has(), (running, "239.7.0.1:5004".to_owned()));
    }
}

#[tokio::test]
async fn connection_read_amid_its_activation_then_as_before_or_after() {
    let plant = Plant::start("receive");
    let connect = async |group: &str| {
        let body = json!({"sender_id": facts::ids().node(), "transport_params": to(Side::Receiver, group)});
        assert_eq!(plant.activate(body).await.0, 200);
    };
    connect("239.7.0.1").await;
    let before = plant.show(true).await.unwrap();
    let answers = Arc::new(Notify::new());
    plant.daemon.lock().unwrap().holds_answers = Some(Arc::clone(&answers));
    let reads = async {
        while plant.has().1 != "239.7.0.2:5004" {
            assert_eq!(plant.show(true).await.unwrap(), before);
        }
        // It is changed, and not answered.
        assert_eq!(plant.show(true).await.unwrap(), before);
        plant.daemon.lock().unwrap().holds_answers = None;
        answers.notify_one();
        let mut now = before.clone();
        while now == before {
            now = plant.show(true).await.unwrap();
        }
        now
    };
    let both = async { tokio::join!(connect("239.7.0.2"), reads) };
    let ((), first) = timeout(Duration::from_secs(30), both).await.unwrap();
    assert_eq!(first, plant.show(true).await.unwrap());
    assert_ne!(
        first["activation"]["activation_time"],
        before["activation"]["activation_time"]
    );
}

#[tokio::test]
async fn stop_or_start_with_other_addresses_then_one_request() {
    let plant = Plant::start("receive");
    for (number, enable) in [false, true].into_iter().enumerate() {
        let group = format!("239.7.0.{number}");
        let body = json!({"master_enable": enable, "transport_params": to(Side::Receiver, &group)});
        let (status, asked) = plant.activate(body).await;
        let flow = json!({"destination": format!("{group}:5004"), "source": null});
        assert_eq!(
            (status, asked),
            (200, vec![json!({"flow": flow, "running": enable})])
        );
    }
    let (_, asked) = plant.activate(json!({})).await;
    assert_eq!(asked, [json!({"flow": {}, "rejoin": true})]);
}
