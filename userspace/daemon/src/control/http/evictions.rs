//! `/v1/sessions/{id}`: forced ends.

use axum::Json;
use axum::extract::{Extension, State};
use onair_types::{Certificate, Eviction, EvictionList};

use super::body::NoBody;
use super::refusal::{OfAbort, OfEvict, OfQuarantine, Refusal};
use super::router::Api;
use super::which::{OfAttachment, OfSession, Which, WhichAttachment};
use crate::authority::Right;
use crate::peer::Peer;

/// Evicts one client.
///
/// All its calls return ESTALE, and its loaned frames are taken back. The session continues. No
/// effect if the client was already evicted.
#[utoipa::path(post, path = "/v1/sessions/{id}/attachments/{attachment}/evict", tag = "sessions",
    operation_id = "evict_attachment",
    params(OfAttachment),
    responses((status = 200, description = "Evicted.", body = Eviction), OfEvict))]
pub(super) async fn evict(
    State(api): State<Api>,
    Extension(peer): Extension<Peer>,
    WhichAttachment(session, number): WhichAttachment,
    _: NoBody,
) -> Result<Json<Eviction>, Refusal> {
    let caller = api.authority.admit(&peer, Right::Evict)?;
    Ok(Json(api.handle.evict(caller, session, number).await?))
}

/// Evicts all clients.
///
/// The session continues, and takes new clients.
#[utoipa::path(post, path = "/v1/sessions/{id}/evict", tag = "sessions", operation_id = "evict_all",
    params(OfSession),
    responses((status = 200, description = "Evicted.", body = EvictionList), OfAbort))]
pub(super) async fn evict_all(
    State(api): State<Api>,
    Extension(peer): Extension<Peer>,
    Which(session): Which,
    _: NoBody,
) -> Result<Json<EvictionList>, Refusal> {
    let caller = api.authority.admit(&peer, Right::Evict)?;
    Ok(Json(api.handle.evict_all(caller, session).await?))
}

/// Stops a session, evicts all clients, and destroys the session; waits for no user.
///
/// For a watchdog. It waits only for the poller to hand the session back, for
/// `timeouts.quiesce_ms`.
#[utoipa::path(post, path = "/v1/sessions/{id}/abort", tag = "sessions", operation_id = "abort_session",
    params(OfSession),
    responses((status = 200, description = "Destroyed; the certificate, with the evicted clients.",
        body = Certificate), OfAbort))]
pub(super) async fn abort(
    State(api): State<Api>,
    Extension(peer): Extension<Peer>,
    Which(session): Which,
    _: NoBody,
) -> Result<Json<Certificate>, Refusal> {
    let caller = api.authority.admit(&peer, Right::Abort)?;
    Ok(Json(*api.handle.abort(caller, session).await?))
}

/// Sets a stopped session aside with its users.
///
/// Its name becomes free at once, and every call of its users returns ESTALE. It stays listed, by
/// id, until no process has its memory any more. Then the memory is freed and the certificate
/// completed.
#[utoipa::path(post, path = "/v1/sessions/{id}/quarantine", tag = "sessions",
    operation_id = "quarantine_session",
    params(OfSession),
    responses((status = 200, description = "Set aside; the certificate.", body = Certificate),
        OfQuarantine))]
pub(super) async fn quarantine(
    State(api): State<Api>,
    Extension(peer): Extension<Peer>,
    Which(session): Which,
    _: NoBody,
) -> Result<Json<Certificate>, Refusal> {
    let caller = api.authority.admit(&peer, Right::Quarantine)?;
    Ok(Json(*api.handle.quarantine(caller, session).await?))
}
