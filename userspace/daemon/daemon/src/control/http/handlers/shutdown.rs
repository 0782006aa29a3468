//! The daemon's shutdown: the coordinator answers, not the actor.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use onair_api::operations::{ShowShutdown, ShutDown, Upgrade};
use onair_api::{Problem, ProblemCode, ShutdownStatus, Successor};

use crate::control::http::api::Api;
use crate::control::http::refusal::Refusal;
use crate::control::http::request::admitted::Admitted;
use crate::shutdown::{Cause, ShutdownCoordinator};
use crate::takeover::TakeoverError;

/// Begins the shutdown.
pub(crate) async fn begin(
    State(api): State<Api>,
    admitted: Admitted<ShutDown>,
) -> (StatusCode, Json<ShutdownStatus>) {
    api.shutdown.begin(Cause::Request(admitted.caller.who));
    (StatusCode::ACCEPTED, Json(api.shutdown.status()))
}

/// Starts another daemon, and begins the shutdown for it.
pub(crate) async fn upgrade(
    State(api): State<Api>,
    admitted: Admitted<Upgrade>,
) -> Result<(StatusCode, Json<Successor>), Refusal> {
    let (takeover, who) = (api.takeover, admitted.caller.who);
    let begun = tokio::task::spawn_blocking(move || takeover.begin(who)).await;
    let begun = begun.map_err(|error| Problem::new(ProblemCode::Internal, error.to_string()))?;
    let refused = |error: TakeoverError| {
        let code = match error {
            TakeoverError::UnderWay => ProblemCode::InProgress,
            TakeoverError::ShuttingDown => ProblemCode::ShuttingDown,
            _ => ProblemCode::NotReplaced,
        };
        Problem::new(code, error.to_string())
    };
    let successor = begun.map_err(refused)?;
    Ok((StatusCode::ACCEPTED, Json(successor)))
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
