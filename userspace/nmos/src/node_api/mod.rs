//! The Node API of IS-04 v1.3: the model, read.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, put};
use axum::{Json, Router};
use serde_json::Value;
use tokio::sync::watch;
use uuid::Uuid;

use crate::model::Model;
use crate::resources::Kind;
use crate::server::Refusal;

const BASE: &str = "/x-nmos/node/v1.3";

type Shared = State<watch::Receiver<Arc<Model>>>;

/// Its paths.
pub fn router(model: watch::Receiver<Arc<Model>>) -> Router {
    let base = [
        "self/",
        "sources/",
        "flows/",
        "devices/",
        "senders/",
        "receivers/",
    ];
    let mut router = Router::new()
        .route("/x-nmos/node", get(async || Json(["v1.3/"])))
        .route(BASE, get(async move || Json(base)))
        .route(&format!("{BASE}/self"), get(own))
        .route(&format!("{BASE}/receivers/{{id}}/target"), put(target));
    for kind in Kind::ALL.into_iter().filter(|it| *it != Kind::Node) {
        let list = async move |model: Shared| Json(list(&model, kind));
        let one = async move |model: Shared, Path(id): Path<String>| one(&model, kind, &id);
        let path = format!("{BASE}/{}", kind.plural());
        router = router
            .route(&path, get(list))
            .route(&format!("{path}/{{id}}"), get(one));
    }
    router.with_state(model)
}

async fn own(model: Shared) -> Result<Json<Value>, Refusal> {
    let node = list(&model, Kind::Node).into_iter().next();
    node.map(Json).ok_or_else(|| unknown(Kind::Node))
}

fn list(model: &Shared, kind: Kind) -> Vec<Value> {
    let model = model.borrow().clone();
    model.of_kind(kind).map(|it| it.body.clone()).collect()
}

fn one(model: &Shared, kind: Kind, id: &str) -> Result<Json<Value>, Refusal> {
    let id = Uuid::try_parse(id).map_err(|_| unknown(kind))?;
    let model = model.borrow().clone();
    let document = model.documents.get(&(kind, id));
    let document = document.ok_or_else(|| unknown(kind))?;
    Ok(Json(document.body.clone()))
}

fn unknown(kind: Kind) -> Refusal {
    let error = format!("there is no {} with this id", kind.name());
    Refusal::new(StatusCode::NOT_FOUND, error)
}

/// The connection management of IS-04 is replaced by IS-05.
async fn target(model: Shared, Path(id): Path<String>) -> Refusal {
    match one(&model, Kind::Receiver, &id) {
        Err(refusal) => refusal,
        Ok(_) => Refusal::new(
            StatusCode::NOT_IMPLEMENTED,
            "connect this receiver by the Connection API (IS-05): its device has the URL",
        ),
    }
}
