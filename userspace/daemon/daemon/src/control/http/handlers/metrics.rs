//! `/metrics`.

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use onair_api::operations::ShowMetrics;
use onair_settings::diagnostics::exposition::Exposition;

use crate::control::handle::ControlHandle;
use crate::control::http::api::Api;
use crate::control::http::guard;
use crate::control::http::refusal::Refusal;
use crate::control::http::request::admitted::Admitted;

/// The metrics, for peers with the right.
pub(crate) async fn show(
    State(api): State<Api>,
    _: Admitted<ShowMetrics>,
) -> Result<Response, Refusal> {
    text(State(api.handle)).await
}

/// Only the metrics, for all clients that can reach the configured port.
pub(crate) fn alone(handle: ControlHandle) -> Router {
    Router::new()
        .route("/metrics", get(text))
        .fallback(guard::not_found)
        .method_not_allowed_fallback(guard::method_not_allowed)
        .with_state(handle)
}

async fn text(State(handle): State<ControlHandle>) -> Result<Response, Refusal> {
    let text = handle.metrics_text().await?;
    let kind = HeaderValue::from_static(Exposition::MEDIA_TYPE);
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}
