//! `/v1/health`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use onair_types::Health;

use super::refusal::{OfHealth, Refusal};
use super::router::Api;

/// Shows the daemon's health.
///
/// For every process that may connect: a liveness probe needs no rights of its own.
#[utoipa::path(get, path = "/v1/health", tag = "daemon", operation_id = "show_health",
    responses((status = 200, description = "Ready.", body = Health),
        (status = 503, description = "Not ready: the same body says why. A problem if the daemon \
            is overloaded or shutting down.",
         content((Health = "application/json"), (onair_types::Problem = "application/problem+json"))),
        OfHealth))]
pub(super) async fn show(State(api): State<Api>) -> Result<(StatusCode, Json<Health>), Refusal> {
    let health = *api.handle.health().await?;
    let status = if health.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    Ok((status, Json(health)))
}
