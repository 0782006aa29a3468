//! `/metrics`.

use axum::Router;
use axum::extract::{Extension, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use onair_types::{Problem, ProblemCode};

use super::guard;
use super::refusal::{OfAll, Refusal};
use super::router::Api;
use crate::authority::Right;
use crate::control::handle::ControlHandle;
use crate::exposition::Exposition;
use crate::peer::Peer;

/// Shows the metrics in Prometheus's text format 0.0.4.
///
/// They contain names of sessions, ports and pollers, but no names of processes.
#[utoipa::path(get, path = "/metrics", tag = "daemon", operation_id = "show_metrics",
    responses((status = 200, description = "Every metric.", body = String,
        content_type = "text/plain"), OfAll))]
pub(super) async fn show(
    State(api): State<Api>,
    Extension(peer): Extension<Peer>,
) -> Result<Response, Refusal> {
    api.authority.admit_all(&peer, Right::Read)?;
    text(State(api.handle)).await
}

/// Only the metrics, for all clients that can reach the configured port.
pub(in crate::control) fn alone(handle: ControlHandle) -> Router {
    Router::new()
        .route("/metrics", get(text))
        .fallback(guard::not_found)
        .method_not_allowed_fallback(guard::method_not_allowed)
        .with_state(handle)
}

async fn text(State(handle): State<ControlHandle>) -> Result<Response, Refusal> {
    let text = handle.metrics().await?.text();
    let text = text.map_err(|e| Problem::new(ProblemCode::Internal, e.to_string()))?;
    let kind = HeaderValue::from_static(Exposition::MEDIA_TYPE);
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}
