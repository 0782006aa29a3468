//! The site of all APIs: what is the same for each path.
//!
//! [`site`] puts the routers together, [`onair_http::serve`] answers a listener. Routers have paths without a slash at their end;
//! the same path with one is the same.

mod answer;

use std::future::ready;

use axum::extract::DefaultBodyLimit;
use axum::http::HeaderValue;
use axum::http::header::STRICT_TRANSPORT_SECURITY;
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router, middleware};
use onair_http::Limits;

pub use answer::Refusal;

/// All paths: of all APIs, and those above them.
pub fn site(apis: [Router; 3], limits: &Limits) -> Router {
    let [node, connection, control] = apis;
    Router::new()
        .route("/", get(async || Json(["x-nmos/"])))
        .route(
            "/x-nmos",
            get(async || Json(["connection/", "ncp/", "node/"])),
        )
        .merge(node)
        .merge(connection)
        .merge(control)
        .fallback(answer::no_such_path)
        .method_not_allowed_fallback(answer::no_such_method)
        .layer(DefaultBodyLimit::max(limits.body))
        .layer(middleware::from_fn_with_state(*limits, answer::finish))
}

/// Tells browsers to use TLS only with this host for so many seconds (RFC 6797).
pub fn with_hsts(site: Router, seconds: u32) -> Router {
    site.layer(middleware::map_response(move |mut it: Response| {
        let value = HeaderValue::try_from(format!("max-age={seconds}")).ok();
        value.and_then(|value| it.headers_mut().insert(STRICT_TRANSPORT_SECURITY, value));
        ready(it)
    }))
}
