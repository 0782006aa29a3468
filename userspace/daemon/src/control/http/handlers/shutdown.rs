//! The daemon's shutdown: the coordinator answers, not the actor.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use onair_api::ShutdownStatus;
use onair_api::operations::{ShowShutdown, ShutDown};

use crate::control::http::api::Api;
use crate::control::http::request::admitted::Admitted;
use crate::shutdown::{Cause, ShutdownCoordinator};

/// Begins the shutdown.
pub(crate) async fn begin(
    State(api): State<Api>,
    admitted: Admitted<ShutDown>,
) -> (StatusCode, Json<ShutdownStatus>) {
    api.shutdown.begin(Cause::Request(admitted.caller.who));
    (StatusCode::ACCEPTED, Json(api.shutdown.status()))
}

/// Its progress.
pub(crate) async fn show(
    State(api): State<Api>,
    _: Admitted<ShowShutdown>,
) -> Json<ShutdownStatus> {
    Json(api.shutdown.status())
}

/// Counts the request until its answer begins.
pub(crate) async fn count(
    State(shutdown): State<ShutdownCoordinator>,
    request: Request,
    next: Next,
) -> Response {
    let _guard = shutdown.count_operation();
    next.run(request).await
}
