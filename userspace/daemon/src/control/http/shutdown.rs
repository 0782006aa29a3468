//! `/v1/shutdown`.

use axum::Json;
use axum::extract::{Extension, Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use onair_types::ShutdownStatus;

use super::body::NoBody;
use super::refusal::{OfShutdown, Refusal};
use super::router::Api;
use crate::authority::Right;
use crate::peer::Peer;
use crate::shutdown::{Cause, ShutdownCoordinator};

/// Shuts the daemon down.
///
/// For root and the daemon's user. It does the same as SIGTERM: stops the sessions, and waits for
/// users until `timeouts.graceful_ms` has passed. A second request changes nothing, and forces
/// nothing.
#[utoipa::path(post, path = "/v1/shutdown", tag = "daemon", operation_id = "shut_down",
    responses((status = 202, description = "The shutdown has begun; `GET` shows its progress.",
        body = ShutdownStatus), OfShutdown))]
pub(super) async fn begin(
    State(api): State<Api>,
    Extension(peer): Extension<Peer>,
    _: NoBody,
) -> Result<(StatusCode, Json<ShutdownStatus>), Refusal> {
    let caller = api.authority.admit_all(&peer, Right::Shutdown)?;
    api.shutdown.begin(Cause::Request(caller.who));
    Ok((StatusCode::ACCEPTED, Json(api.shutdown.status())))
}

/// Shows the progress of the shutdown.
///
/// For every process that may connect. Available until the socket closes, in the phase `cleanup`.
#[utoipa::path(get, path = "/v1/shutdown", tag = "daemon", operation_id = "show_shutdown",
    responses((status = 200, description = "The phase, the cause, and the remaining users.",
        body = ShutdownStatus), OfShutdown))]
pub(super) async fn show(State(api): State<Api>) -> Json<ShutdownStatus> {
    Json(api.shutdown.status())
}

/// Counts the request until its answer begins.
pub(super) async fn count(
    State(shutdown): State<ShutdownCoordinator>,
    request: Request,
    next: Next,
) -> Response {
    let _guard = shutdown.count_operation();
    next.run(request).await
}
