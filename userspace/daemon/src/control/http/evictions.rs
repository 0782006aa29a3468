//! `/v1/sessions/{id}`: ending what does not end by itself.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, State};
use onair_api::{Certificate, Eviction, EvictionList, ProblemCode, SessionRef};

use super::body::NoBody;
use super::refusal::{OfAbort, OfEvict, OfQuarantine, Refusal};
use super::router::Api;
use super::sessions::{Which, which};
use crate::control::authority::Right;
use crate::control::peer::Peer;

/// The `{id}` and `{attachment}` of a path.
type WhichAttachment = Result<Path<(String, String)>, PathRejection>;

fn attachment(path: WhichAttachment) -> Result<(SessionRef, u64), Refusal> {
    let invalid = |detail: String| Refusal::new(ProblemCode::InvalidRequest, detail);
    let Path((session, number)) = path.map_err(|e| invalid(e.body_text()))?;
    let number = number
        .parse()
        .map_err(|_| invalid(format!("{number:?} is no attachment's number")))?;
    Ok((which(Ok(Path(session)))?, number))
}

/// Cuts one client off.
///
/// Every call of it returns ESTALE, and what was lent to it is taken back. The session goes on. Of one
/// that was cut off before: done already.
#[utoipa::path(post, path = "/v1/sessions/{id}/attachments/{attachment}/evict", tag = "sessions",
    operation_id = "evict_attachment",
    params(("id" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,62}$",
        description = "A session's id or name."),
        ("attachment" = u64, Path, description = "An attachment's number.")),
    responses((status = 200, description = "Cut off.", body = Eviction), OfEvict))]
pub(super) async fn evict(
    State(api): State<Api>,
    Extension(peer): Extension<Peer>,
    path: WhichAttachment,
    _: NoBody,
) -> Result<Json<Eviction>, Refusal> {
    let caller = api.authority.admit(&peer, Right::Destroy)?;
    let (session, number) = attachment(path)?;
    Ok(Json(api.handle.evict(caller, session, number).await?))
}

/// Cuts everybody off.
///
/// The session goes on, and takes new clients.
#[utoipa::path(post, path = "/v1/sessions/{id}/evict", tag = "sessions", operation_id = "evict_all",
    params(("id" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,62}$",
        description = "A session's id or name.")),
    responses((status = 200, description = "Cut off.", body = EvictionList), OfAbort))]
pub(super) async fn evict_all(
    State(api): State<Api>,
    Extension(peer): Extension<Peer>,
    path: Which,
    _: NoBody,
) -> Result<Json<EvictionList>, Refusal> {
    let caller = api.authority.admit(&peer, Right::Destroy)?;
    Ok(Json(api.handle.evict_all(caller, which(path)?).await?))
}

/// Stops a session, cuts everybody off, and destroys it, waiting for no user.
///
/// For a watchdog. It waits only for the poller to hand the session back, for `timeouts.quiesce_ms`.
#[utoipa::path(post, path = "/v1/sessions/{id}/abort", tag = "sessions", operation_id = "abort_session",
    params(("id" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,62}$",
        description = "A session's id or name.")),
    responses((status = 200, description = "Destroyed; the proof, with whom was cut off.",
        body = Certificate), OfAbort))]
pub(super) async fn abort(
    State(api): State<Api>,
    Extension(peer): Extension<Peer>,
    path: Which,
    _: NoBody,
) -> Result<Json<Certificate>, Refusal> {
    let caller = api.authority.admit(&peer, Right::Destroy)?;
    Ok(Json(*api.handle.abort(caller, which(path)?).await?))
}

/// Sets a stopped session aside with its users.
///
/// Its name is free at once, and every call of its users returns ESTALE. It stays listed, by id, until
/// nobody has its memory any more; then that is freed, and the certificate completed.
#[utoipa::path(post, path = "/v1/sessions/{id}/quarantine", tag = "sessions",
    operation_id = "quarantine_session",
    params(("id" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,62}$",
        description = "A session's id or name.")),
    responses((status = 200, description = "Set aside; what the witnesses saw.", body = Certificate),
        OfQuarantine))]
pub(super) async fn quarantine(
    State(api): State<Api>,
    Extension(peer): Extension<Peer>,
    path: Which,
    _: NoBody,
) -> Result<Json<Certificate>, Refusal> {
    let caller = api.authority.admit(&peer, Right::Destroy)?;
    Ok(Json(*api.handle.quarantine(caller, which(path)?).await?))
}
