//! The Node API of IS-04 v1.3: the model, read.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::routing::{get, put};
use axum::{Json, Router};
use serde_json::Value;
use tokio::sync::watch;
use uuid::Uuid;

use crate::model::Model;
use crate::resources::Kind;
use crate::server::Refusal;

const BASE: &str = "/x-nmos/node/v1.3";

type Shared = State<Arc<Lists>>;

/// The model, and the lists of it as they were asked for last: one text for all who read it.
struct Lists {
    model: watch::Receiver<Arc<Model>>,
    texts: Mutex<HashMap<Kind, (Arc<Model>, Bytes)>>,
}

impl Lists {
    fn model(&self) -> Arc<Model> {
        self.model.borrow().clone()
    }

    fn text(&self, kind: Kind) -> Bytes {
        let model = self.model();
        let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, text)) = texts.get(&kind).filter(|it| Arc::ptr_eq(&it.0, &model)) {
            return text.clone();
        }
        let all: Vec<_> = model.of_kind(kind).map(|it| &it.body).collect();
        let text = Bytes::from(serde_json::to_vec(&all).unwrap_or_default());
        texts.insert(kind, (model, text.clone()));
        text
    }
}

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
        let list = async move |model: Shared| {
            let kind_of = [(CONTENT_TYPE, "application/json")];
            (kind_of, model.text(kind))
        };
        let one = async move |model: Shared, Path(id): Path<String>| one(&model, kind, &id);
        let path = format!("{BASE}/{}", kind.plural());
        router = router
            .route(&path, get(list))
            .route(&format!("{path}/{{id}}"), get(one));
    }
    let texts = Mutex::default();
    router.with_state(Arc::new(Lists { model, texts }))
}

async fn own(model: Shared) -> Result<Json<Value>, Refusal> {
    let model = model.model();
    let node = model.of_kind(Kind::Node).next();
    node.map(|it| Json(it.body.clone()))
        .ok_or_else(|| unknown(Kind::Node))
}

fn one(model: &Shared, kind: Kind, id: &str) -> Result<Json<Value>, Refusal> {
    let id = Uuid::try_parse(id).map_err(|_| unknown(kind))?;
    let model = model.model();
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
