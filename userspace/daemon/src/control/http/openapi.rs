//! The API's own description: OpenAPI 3.1.

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use onair_types::{EventName, Problem};
use utoipa::OpenApi;

use super::refusal::Plain;
use super::router::{Api, routes};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "OnAir control API",
        description = "A DPDK media session daemon. A session is destroyed only when counters, \
            eBPF probe and pollers agree that it has no users; the proof is its certificate. \
            HTTP/1.1 over a Unix socket; the peer's credentials are its rights. Every error is a \
            problem (RFC 9457) with a stable `code`.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    tags(
        (name = "sessions", description = "Sessions: create, stop, start, destroy."),
        (name = "recordings", description = "A session's packets or frames on disk."),
        (name = "certificates", description = "Proofs of what was destroyed."),
        (name = "daemon", description = "The daemon itself.")
    ),
    components(schemas(Problem, EventName))
)]
pub(super) struct Frame;

/// The description of every path, as `GET /v1/openapi.json` returns it: pretty-printed JSON.
#[must_use]
pub fn document() -> String {
    routes()
        .into_openapi()
        .to_pretty_json()
        .expect("an OpenAPI document's maps have text keys")
}

/// Shows this description.
#[utoipa::path(get, path = "/v1/openapi.json", tag = "daemon", operation_id = "show_openapi",
    responses((status = 200, description = "OpenAPI 3.1.", body = Object), Plain))]
pub(super) async fn show(State(api): State<Api>) -> Response {
    let json = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, json)], api.openapi.clone()).into_response()
}
