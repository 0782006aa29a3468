//! The daemon's shutdown: the coordinator answers, not the actor.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use onair_api::ShutdownStatus;
use onair_api::operations::{ShowShutdown, ShutDown};

use super::admitted::Admitted;
use super::api::Api;
use crate::shutdown::{Cause, ShutdownCoordinator};

/// Begins the shutdown.
pub(super) async fn begin(
    State(api): State<Api>,
    admitted: Admitted<ShutDown>,
) -> (StatusCode, Json<ShutdownStatus>) {
    api.shutdown.begin(Cause::Request(admitted.caller.who));
    (StatusCode::ACCEPTED, Json(api.shutdown.status()))
}

/// Its progress.
pub(super) async fn show(
    State(api): State<Api>,
    _: Admitted<ShowShutdown>,
) -> Json<ShutdownStatus> {
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
