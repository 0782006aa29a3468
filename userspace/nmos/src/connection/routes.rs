//! The paths of IS-05 v1.1.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::connections::Connections;
use super::refusal::Refusal;
use super::side::Side;

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
    answered.unwrap_or_else(|refusal| refused(&refusal))
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
            let all = ["constraints/", "staged/", "active/", "transporttype/"];
            let file = (side == Side::Sender).then_some("transportfile/");
            read(all.into_iter().chain(file).collect())
        }
        ["v1.1", "single", of, id, "staged"] if method == Method::PATCH => {
            let body = serde_json::from_slice(body);
            let body = body.map_err(|error| Refusal::body("body", error.to_string()))?;
            let (own, side, id) = (connections.clone(), side(of)?, (*id).to_owned());
            let patched = connections.whole(async move { own.patch(side, &id, body).await });
            let (is_scheduled, document) = patched.await?;
            let status = if is_scheduled {
                StatusCode::ACCEPTED
            } else {
                StatusCode::OK
            };
            Ok((status, axum::Json(document)).into_response())
        }
        ["v1.1", "single", of, id, what] => {
            let side = side(of)?;
            connections.has(side, id)?;
            match *what {
                _ if !reads
                    && !matches!(
                        (side, *what),
                        (_, "constraints" | "staged" | "active" | "transporttype")
                            | (Side::Sender, "transportfile")
                    ) =>
                {
                    Err(unknown(parts))
                }
                _ if !reads => Err(Refusal::Method),
                "constraints" => read(connections.constraints(side, id).await?),
                "staged" => read(connections.staged(side, id).await?),
                "active" => read(connections.active(side, id).await?),
                "transporttype" => read(json!("urn:x-nmos:transport:rtp")),
                "transportfile" if side == Side::Sender => {
                    let text = connections.file(id).await?;
                    Ok(([(header::CONTENT_TYPE, "application/sdp")], text).into_response())
                }
                _ => Err(unknown(parts)),
            }
        }
        _ => Err(unknown(parts)),
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
    let entries = serde_json::from_slice::<Vec<Value>>(body);
    let entries = entries.map_err(|error| Refusal::body("body", error.to_string()))?;
    // A sequence would be read as an object, too.
    if let Some(at) = entries.iter().position(|it| !it.is_object()) {
        return Err(Refusal::body(format!("[{at}]"), "is no object"));
    }
    let entries = entries.into_iter().map(Entry::deserialize);
    let entries = entries.collect::<Result<Vec<_>, _>>();
    let entries = entries.map_err(|error| Refusal::body("body", error.to_string()))?;
    if entries.len() > MOST_AT_ONCE {
        let problem = format!("has more than {MOST_AT_ONCE} entries");
        return Err(Refusal::body("body", problem));
    }
    let all = entries.into_iter().map(|it| (it.id, it.params)).collect();
    let own = connections.clone();
    let answers = connections
        .whole(async move { Ok(own.bulk(side, all).await) })
        .await?;
    let answers = answers.into_iter();
    let answers = answers.map(|(id, answer)| match answer {
        Ok(is_scheduled) => {
            let code = if is_scheduled {
                StatusCode::ACCEPTED
            } else {
                StatusCode::OK
            };
            json!({"id": id, "code": code.as_u16()})
        }
        Err(refusal) => {
            let mut entry = shown(&refusal);
            entry["id"] = json!(id);
            entry
        }
    });
    let answers: Value = answers.collect();
    Ok((StatusCode::OK, axum::Json(answers)).into_response())
}

/// `error.json` of IS-05 v1.1.
fn shown(refusal: &Refusal) -> Value {
    let code = refusal.status().as_u16();
    json!({"code": code, "error": refusal.to_string(), "debug": refusal.debug()})
}

fn refused(refusal: &Refusal) -> Response {
    (refusal.status(), axum::Json(shown(refusal))).into_response()
}
