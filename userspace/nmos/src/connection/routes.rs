//! The paths of IS-05 v1.1.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::connections::Connections;
use super::leg::constraints;
use super::lot::Lot;
use super::refusal::Refusal;
use super::side::Side;
use crate::server::Refusal as Answered;

/// Most entries of a bulk request.
const MOST_AT_ONCE: usize = 4096;

/// Everything below `/x-nmos/connection`.
pub fn router(connections: Connections) -> Router {
    let below = Router::new().fallback(answer).with_state(connections);
    Router::new().nest("/x-nmos/connection", below)
}

async fn answer(
    State(connections): State<Connections>,
    method: Method,
    uri: Uri,
    body: Bytes,
) -> Response {
    let path = uri
        .path()
        .strip_prefix("/x-nmos/connection")
        .unwrap_or(uri.path());
    let parts: Vec<_> = path.split('/').filter(|it| !it.is_empty()).collect();
    let answered = answer_of(&connections, &method, &parts, &body).await;
    answered.unwrap_or_else(|it| Answered::from(it).into_response())
}

async fn answer_of(
    connections: &Connections,
    method: &Method,
    parts: &[&str],
    body: &[u8],
) -> Result<Response, Refusal> {
    let side = |part: &str| Side::of_path(part).ok_or_else(|| unknown(parts));
    let reads = method == Method::GET || method == Method::HEAD;
    let read = |value: Value| match reads {
        true => Ok((StatusCode::OK, axum::Json(value)).into_response()),
        false => Err(Refusal::Method),
    };
    match parts {
        [] => read(json!(["v1.1/"])),
        ["v1.1"] => read(json!(["bulk/", "single/"])),
        ["v1.1", "bulk" | "single"] => read(json!(["senders/", "receivers/"])),
        ["v1.1", "bulk", of] => {
            let side = side(of)?;
            match *method {
                Method::POST => bulk(connections, side, body).await,
                _ => Err(Refusal::Method),
            }
        }
        ["v1.1", "single", of] => {
            let ids = connections.ids(side(of)?);
            read(ids.into_iter().map(|it| format!("{it}/")).collect())
        }
        ["v1.1", "single", of, id] => {
            let side = side(of)?;
            connections.has(side, id)?;
            read(parts_of(side).iter().map(|it| format!("{it}/")).collect())
        }
        ["v1.1", "single", of, id, "staged"] if method == Method::PATCH => {
            let body = serde_json::from_slice(body);
            let body = body.map_err(|error| Refusal::body("body", error.to_string()))?;
            let (own, side, id) = (connections.clone(), side(of)?, (*id).to_owned());
            let patched = connections.whole(async move { own.patch(side, &id, body).await });
            let (is_scheduled, document) = patched.await?;
            Ok((status(is_scheduled), axum::Json(document)).into_response())
        }
        ["v1.1", "single", of, id, what] => {
            let side = side(of)?;
            connections.has(side, id)?;
            if !parts_of(side).contains(what) {
                return Err(unknown(parts));
            }
            if !reads {
                return Err(Refusal::Method);
            }
            match *what {
                "constraints" => {
                    let shown = connections.show(side, id, |_, _, it| constraints(side, it));
                    read(shown.await?)
                }
                "staged" => read(connections.show(side, id, Lot::show_staged).await?),
                "active" => read(connections.show(side, id, Lot::show_active).await?),
                "transporttype" => read(json!("urn:x-nmos:transport:rtp")),
                _ => {
                    let text = connections.file(id).await?;
                    Ok(([(header::CONTENT_TYPE, "application/sdp")], text).into_response())
                }
            }
        }
        _ => Err(unknown(parts)),
    }
}

/// What is below a resource.
fn parts_of(side: Side) -> &'static [&'static str] {
    const ALL: &[&str] = &[
        "constraints",
        "staged",
        "active",
        "transporttype",
        "transportfile",
    ];
    match side {
        Side::Sender => ALL,
        Side::Receiver => &ALL[..4],
    }
}

fn unknown(parts: &[&str]) -> Refusal {
    Refusal::NotFound(format!("/x-nmos/connection/{}", parts.join("/")))
}

/// An entry of a bulk request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    params: Value,
}

async fn bulk(connections: &Connections, side: Side, body: &[u8]) -> Result<Response, Refusal> {
    let wrong = |error: serde_json::Error| Refusal::body("body", error.to_string());
    let entries: Vec<Value> = serde_json::from_slice(body).map_err(wrong)?;
    // A sequence would be read as an object, too.
    if let Some(at) = entries.iter().position(|it| !it.is_object()) {
        return Err(Refusal::body(format!("[{at}]"), "is no object"));
    }
    if entries.len() > MOST_AT_ONCE {
        let problem = format!("has more than {MOST_AT_ONCE} entries");
        return Err(Refusal::body("body", problem));
    }
    let entries = entries.into_iter().map(Entry::deserialize);
    let all = entries.map(|it| it.map(|it| (it.id, it.params)));
    let all = all.collect::<Result<Vec<_>, _>>().map_err(wrong)?;
    let own = connections.clone();
    let answers = connections.whole(async move { Ok(own.bulk(side, all).await) });
    let answers = answers.await?.into_iter().map(|(id, answer)| {
        let mut entry = match answer {
            Ok(is_scheduled) => json!({"code": status(is_scheduled).as_u16()}),
            Err(refusal) => Answered::from(refusal).document(),
        };
        entry["id"] = json!(id);
        entry
    });
    let answers: Value = answers.collect();
    Ok((StatusCode::OK, axum::Json(answers)).into_response())
}

const fn status(is_scheduled: bool) -> StatusCode {
    match is_scheduled {
        true => StatusCode::ACCEPTED,
        false => StatusCode::OK,
    }
}

impl From<Refusal> for Answered {
    fn from(refusal: Refusal) -> Self {
        Self {
            status: refusal.status(),
            error: refusal.to_string(),
            debug: refusal.debug(),
        }
    }
}
