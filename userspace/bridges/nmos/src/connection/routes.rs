//! The paths of IS-05: v1.1, and v1.2 if there is MXL, whose resources only that has.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use onair_http::{PeerPlace, give_way};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::connections::Connections;
use super::leg::constraints;
use super::mxl::MxlConnections;
use super::patch::{AtMost, Patch, document};
use super::refusal::Refusal;
use super::side::Side;
use super::state::ConnectionState;
use crate::server::Refusal as Answered;

/// Most entries of a bulk request.
const MOST_AT_ONCE: usize = 4096;

/// The versions of the API, with MXL or without.
#[must_use]
pub const fn versions(with_mxl: bool) -> &'static [&'static str] {
    match with_mxl {
        true => &["v1.1", "v1.2"],
        false => &["v1.1"],
    }
}

/// The connections of RTP, and those of MXL if there are any.
#[derive(Clone, Debug)]
struct AllConnections {
    connections: Connections,
    mxl: Option<MxlConnections>,
}

impl AllConnections {
    /// Those of MXL, as this version knows them.
    fn mxl(&self, version: &str) -> Option<&MxlConnections> {
        self.mxl.as_ref().filter(|_| version != "v1.1")
    }
}

/// Everything below `/x-nmos/connection`.
pub fn router(connections: Connections, mxl: Option<MxlConnections>) -> Router {
    let apis = AllConnections { connections, mxl };
    let below = Router::new().fallback(answer).with_state(apis);
    Router::new().nest("/x-nmos/connection", below)
}

async fn answer(
    State(apis): State<AllConnections>,
    Extension(place): Extension<PeerPlace>,
    method: Method,
    uri: Uri,
    body: Bytes,
) -> Response {
    let path = uri
        .path()
        .strip_prefix("/x-nmos/connection")
        .unwrap_or(uri.path());
    let parts: Vec<_> = path.split('/').filter(|it| !it.is_empty()).collect();
    let answered = answer_of(&apis, &method, &parts, (&body, &place)).await;
    answered.unwrap_or_else(|it| Answered::from(it).into_response())
}

async fn answer_of(
    apis: &AllConnections,
    method: &Method,
    path: &[&str],
    (body, place): (&[u8], &PeerPlace),
) -> Result<Response, Refusal> {
    let side = |part: &str| Side::of_path(part).ok_or_else(|| unknown(path));
    let reads = method == Method::GET || method == Method::HEAD;
    let read = |value: Value| match reads {
        true => Ok((StatusCode::OK, axum::Json(value)).into_response()),
        false => Err(Refusal::Method),
    };
    let versions = versions(apis.mxl.is_some());
    let [version, parts @ ..] = path else {
        return read(versions.iter().map(|it| format!("{it}/")).collect());
    };
    if !versions.contains(version) {
        return Err(unknown(path));
    }
    let (connections, mxl) = (&apis.connections, apis.mxl(version));
    match parts {
        [] => read(json!(["bulk/", "single/"])),
        ["bulk" | "single"] => read(json!(["senders/", "receivers/"])),
        ["bulk", of] => {
            let side = side(of)?;
            match *method {
                Method::POST => bulk((connections, mxl), side, (body, place)).await,
                _ => Err(Refusal::Method),
            }
        }
        ["single", of] => {
            let side = side(of)?;
            let mut ids = connections.ids(side);
            ids.extend(mxl.iter().flat_map(|it| it.ids(side)));
            read(ids.into_iter().map(|it| format!("{it}/")).collect())
        }
        ["single", of, id, rest @ ..] => {
            let side = side(of)?;
            let of_mxl = mxl.filter(|it| it.has(side, id));
            if of_mxl.is_none() {
                connections.has(side, id)?;
            }
            let what = match rest {
                [] => return read(parts_of(side).iter().map(|it| format!("{it}/")).collect()),
                [what] if parts_of(side).contains(what) => *what,
                _ => return Err(unknown(path)),
            };
            if what == "staged" && method == Method::PATCH {
                let (own, id) = (connections.clone(), (*id).to_owned());
                let patched = match of_mxl.cloned() {
                    Some(it) => {
                        let patch = Patch::read(side, body)?;
                        let work = async move { it.patch(side, &id, patch).await };
                        whole(place, work).await
                    }
                    None => {
                        let patch = Patch::read(side, body)?;
                        whole(place, async move { own.patch(side, &id, patch).await }).await
                    }
                };
                let (is_scheduled, document) = patched?;
                return Ok((status(is_scheduled), axum::Json(document)).into_response());
            }
            if !reads {
                return Err(Refusal::Method);
            }
            if let Some(of_mxl) = of_mxl {
                // It has no transport file.
                let document = of_mxl.show(side, id, what)?;
                return read(document.ok_or_else(|| unknown(path))?);
            }
            match what {
                "constraints" => {
                    let shown = connections.show(side, id, |_, _, it| constraints(side, it));
                    read(shown.await?)
                }
                "staged" => read(
                    connections
                        .show(side, id, ConnectionState::show_staged)
                        .await?,
                ),
                "active" => read(
                    connections
                        .show(side, id, ConnectionState::show_active)
                        .await?,
                ),
                "transporttype" => read(json!("urn:x-nmos:transport:rtp")),
                _ => {
                    let text = connections.file(id).await?;
                    Ok(([(header::CONTENT_TYPE, "application/sdp")], text).into_response())
                }
            }
        }
        _ => Err(unknown(path)),
    }
}

/// Paths below a resource.
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

/// Does `work` to its end, even if the controller closes the connection: its place is free then.
///
/// # Errors
/// As `work`; [`Refusal::Failed`] if it panics.
async fn whole<T: Send + 'static>(
    place: &PeerPlace,
    work: impl Future<Output = Result<T, Refusal>> + Send + 'static,
) -> Result<T, Refusal> {
    let done = tokio::spawn(place.taking_turns(work));
    done.await.unwrap_or_else(|_| Err(Refusal::Failed))
}

/// An entry of a bulk request: the text of its parameters, and the tree of one at a time.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    #[serde(deserialize_with = "text")]
    params: String,
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Value::deserialize(deserializer).map(|it| it.to_string())
}

async fn bulk(
    (connections, mxl): (&Connections, Option<&MxlConnections>),
    side: Side,
    (body, place): (&[u8], &PeerPlace),
) -> Result<Response, Refusal> {
    let AtMost::<Entry, MOST_AT_ONCE>(all) = document(body)?;
    let all: Vec<_> = all.into_iter().map(|it| (it.id, it.params)).collect();
    let (own, mxl) = (connections.clone(), mxl.cloned());
    let answers = whole(place, async move {
        let Some(mxl) = mxl else {
            return Ok(own.bulk(side, all).await);
        };
        let (other, all): (Vec<_>, _) = { all }.into_iter().partition(|(id, _)| mxl.has(side, id));
        let mut answers = own.bulk(side, all).await;
        for (id, text) in other {
            give_way().await;
            let answer = match Patch::read(side, &text) {
                Ok(patch) => mxl.patch(side, &id, patch).await,
                Err(refusal) => Err(refusal),
            };
            answers.push((id, answer.map(|(is_scheduled, _)| is_scheduled)));
        }
        Ok(answers)
    });
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
