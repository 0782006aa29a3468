//! `/v1/sessions`.

use std::time::Duration;

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use onair_types::{
    BlockerList, Certificate, DestroyWait, Flush, Flushed, Problem, ProblemCode, SessionList,
    SessionSpec, SessionView, SpecDocument, SpecError, Verdict,
};

use super::body::{Document, NoBody};
use super::refusal::{
    OfAll, OfChange, OfCreate, OfDestroy, OfDestroyWait, OfFlush, OfLook, Refusal,
};
use super::router::Api;
use super::which::{OfSession, Which};
use crate::authority::Right;
use crate::peer::Peer;

/// Lists all existing sessions.
#[utoipa::path(get, path = "/v1/sessions", tag = "sessions", operation_id = "list_sessions",
    responses((status = 200, description = "Sessions, oldest first.", body = SessionList), OfAll))]
pub(super) async fn list(
    State(api): State<Api>,
    Extension(peer): Extension<Peer>,
) -> Result<Json<SessionList>, Refusal> {
    api.authority.admit_all(&peer, Right::Read)?;
    Ok(Json(api.handle.list().await?))
}

/// Creates a session.
///
/// The caller's uid owns it.
#[utoipa::path(post, path = "/v1/sessions", tag = "sessions", operation_id = "create_session",
    request_body = SpecDocument,
    responses((status = 201, description = "The new session.", body = SessionView,
        headers(("Location" = String, description = "Its path."))), OfCreate))]
pub(super) async fn create(
    State(api): State<Api>,
    Extension(peer): Extension<Peer>,
    Document(spec): Document<SpecDocument>,
) -> Result<Response, Refusal> {
    let caller = api.authority.admit_all(&peer, Right::Create)?;
    let _operation = api.shutdown.begin_operation()?;
    let spec = SessionSpec::try_from(spec).map_err(Problem::from)?;
    let view = api.handle.create(caller, spec).await?;
    let place = HeaderValue::try_from(format!("/v1/sessions/{}", view.id))
        .expect("hex digits are a header's value");
    Ok((StatusCode::CREATED, [(header::LOCATION, place)], Json(view)).into_response())
}

/// Shows one session.
#[utoipa::path(get, path = "/v1/sessions/{id}", tag = "sessions", operation_id = "show_session",
    params(OfSession),
    responses((status = 200, description = "The session.", body = SessionView), OfLook))]
pub(super) async fn show(
    State(api): State<Api>,
    Extension(peer): Extension<Peer>,
    Which(session): Which,
) -> Result<Json<SessionView>, Refusal> {
    let caller = api.authority.admit(&peer, Right::Read)?;
    Ok(Json(api.handle.show(caller, session).await?))
}

/// Stops a session.
///
/// Calls return EAGAIN at once; buffers can still be put. No effect if the session is stopped.
#[utoipa::path(post, path = "/v1/sessions/{id}/stop", tag = "sessions", operation_id = "stop_session",
    params(OfSession),
    responses((status = 200, description = "The session, stopped.", body = SessionView), OfChange))]
pub(super) async fn stop(
    State(api): State<Api>,
    Extension(peer): Extension<Peer>,
    Which(session): Which,
    _: NoBody,
) -> Result<Json<SessionView>, Refusal> {
    let caller = api.authority.admit(&peer, Right::Stop)?;
    Ok(Json(api.handle.stop(caller, session).await?))
}

/// Starts a session.
///
/// No effect if the session runs.
#[utoipa::path(post, path = "/v1/sessions/{id}/start", tag = "sessions", operation_id = "start_session",
    params(OfSession),
    responses((status = 200, description = "The session, running.", body = SessionView), OfChange))]
pub(super) async fn start(
    State(api): State<Api>,
    Extension(peer): Extension<Peer>,
    Which(session): Which,
    _: NoBody,
) -> Result<Json<SessionView>, Refusal> {
    let caller = api.authority.admit(&peer, Right::Start)?;
    let _operation = api.shutdown.begin_operation()?;
    Ok(Json(api.handle.start(caller, session).await?))
}

/// Destroys a session now or not at all.
///
/// It succeeds only if every witness sees no user; else 409 with the blockers.
#[utoipa::path(post, path = "/v1/sessions/{id}/destroy", tag = "sessions", operation_id = "destroy_session",
    params(OfSession),
    responses((status = 200, description = "Destroyed; the certificate.", body = Certificate), OfDestroy))]
pub(super) async fn destroy(
    State(api): State<Api>,
    Extension(peer): Extension<Peer>,
    Which(session): Which,
    _: NoBody,
) -> Result<Json<Certificate>, Refusal> {
    let caller = api.authority.admit(&peer, Right::Destroy)?;
    Ok(Json(*api.handle.destroy(caller, session).await?))
}

/// Destroys a session now or not at all: the same as `POST …/destroy`.
#[utoipa::path(delete, path = "/v1/sessions/{id}", tag = "sessions", operation_id = "delete_session",
    params(OfSession),
    responses((status = 200, description = "Destroyed; the certificate.", body = Certificate), OfDestroy))]
pub(super) async fn delete(
    state: State<Api>,
    peer: Extension<Peer>,
    which: Which,
    body: NoBody,
) -> Result<Json<Certificate>, Refusal> {
    destroy(state, peer, which, body).await
}

/// Destroys a session as soon as the last user has left.
///
/// If the deadline passes first: 409 with the blockers, and the session stays stopped. The wait
/// ends early if the requester closes the connection.
#[utoipa::path(post, path = "/v1/sessions/{id}/destroy_wait", tag = "sessions",
    operation_id = "destroy_session_wait",
    params(OfSession),
    request_body = DestroyWait,
    responses((status = 200, description = "Destroyed; the certificate.", body = Certificate), OfDestroyWait))]
pub(super) async fn destroy_wait(
    State(api): State<Api>,
    Extension(peer): Extension<Peer>,
    Which(session): Which,
    Document(wait): Document<DestroyWait>,
) -> Result<Json<Certificate>, Refusal> {
    let caller = api.authority.admit(&peer, Right::Destroy)?;
    let wait = longest(wait.deadline_ms)?;
    Ok(Json(*api.handle.destroy_wait(caller, session, wait).await?))
}

fn longest(deadline_ms: u64) -> Result<Duration, Refusal> {
    const MAX_MS: u64 = DestroyWait::MAX_MS;
    if deadline_ms > MAX_MS {
        let problem = format!("{deadline_ms} is too long: give 0 to {MAX_MS} milliseconds");
        let error = SpecError::new("deadline_ms", problem);
        return Err(Problem::new(ProblemCode::InvalidRequest, error.to_string())
            .with_errors(vec![error])
            .into());
    }
    Ok(Duration::from_millis(deadline_ms))
}

/// Waits until what clients have submitted to a send session is sent.
///
/// It covers what was submitted before the request, and nothing later. The session continues, even
/// if the deadline passes first. A stopped session and a receive session have nothing submitted:
/// the answer comes at once.
#[utoipa::path(post, path = "/v1/sessions/{id}/flush", tag = "sessions", operation_id = "flush_session",
    params(OfSession),
    request_body = Flush,
    responses((status = 200, description = "All sent.", body = Flushed), OfFlush))]
pub(super) async fn flush(
    State(api): State<Api>,
    Extension(peer): Extension<Peer>,
    Which(session): Which,
    Document(wait): Document<Flush>,
) -> Result<Json<Flushed>, Refusal> {
    let caller = api.authority.admit(&peer, Right::Flush)?;
    let wait = longest(wait.deadline_ms)?;
    Ok(Json(api.handle.flush(caller, session, wait).await?))
}

/// Lists the users of a session.
#[utoipa::path(get, path = "/v1/sessions/{id}/blockers", tag = "sessions", operation_id = "list_blockers",
    params(OfSession),
    responses((status = 200, description = "All its users.", body = BlockerList), OfLook))]
pub(super) async fn blockers(
    State(api): State<Api>,
    Extension(peer): Extension<Peer>,
    Which(session): Which,
) -> Result<Json<BlockerList>, Refusal> {
    let caller = api.authority.admit(&peer, Right::Read)?;
    Ok(Json(api.handle.blockers(caller, session).await?))
}

/// Shows each witness's current reading, and the verdict.
///
/// A dry run of destroy: changes nothing.
#[utoipa::path(get, path = "/v1/sessions/{id}/verdict", tag = "sessions", operation_id = "show_verdict",
    params(OfSession),
    responses((status = 200, description = "The verdict.", body = Verdict), OfLook))]
pub(super) async fn verdict(
    State(api): State<Api>,
    Extension(peer): Extension<Peer>,
    Which(session): Which,
) -> Result<Json<Verdict>, Refusal> {
    let caller = api.authority.admit(&peer, Right::Read)?;
    Ok(Json(api.handle.verdict(caller, session).await?))
}
