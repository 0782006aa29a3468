//! Rules for every path: the size of the head, no query, log lines, and answers where there is no route.

use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::{Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use onair_api::ProblemCode;
use onair_api::operations::{
    ApiOperation as _, FollowEvents, ListArriving, ListCertificates, ListRecordings, ListSessions,
};

use onair_settings::access::peer::Peer;
use onair_settings::diagnostics::rate_limit::UserLines;

use super::limits::Limits;
use super::refusal::{Failed, Refusal};

/// Longest part of a target that an answer repeats, in characters.
const SHOWN: usize = 100;

/// Paths that take a query when they are read. Each refuses parameters that it does not know.
const WITH_QUERY: [&str; 5] = [
    ListSessions::ENTRY.path,
    ListCertificates::ENTRY.path,
    FollowEvents::ENTRY.path,
    ListRecordings::ENTRY.path,
    ListArriving::ENTRY.path,
];

/// Passes a request on if its head is small and it has no query. No path of this API that changes
/// anything takes one: a silent `?force=true` would look accepted.
pub(super) async fn check(State(limits): State<Limits>, request: Request, next: Next) -> Response {
    let uri = request.uri();
    let target = uri
        .path_and_query()
        .map_or(0, |target| target.as_str().len());
    let headers: usize = request
        .headers()
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    if target + headers > limits.head_bytes {
        return Refusal::new(
            ProblemCode::HeadersTooLarge,
            format!(
                "the request's head has {} bytes, the maximum is {}",
                target + headers,
                limits.head_bytes
            ),
        )
        .into_response();
    }
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let takes_query = is_read && WITH_QUERY.contains(&uri.path());
    if let Some(query) = uri
        .query()
        .filter(|query| !query.is_empty() && !takes_query)
    {
        let query: String = query.chars().take(SHOWN).collect();
        return Refusal::new(
            ProblemCode::InvalidRequest,
            format!("this request takes no query, but got \"?{query}\""),
        )
        .into_response();
    }
    next.run(request).await
}

/// Logs why a request failed: few lines of a user whose requests fail all the time.
pub(super) async fn log(State(lines): State<UserLines>, request: Request, next: Next) -> Response {
    let uid = request.extensions().get::<Peer>().map(|it| it.who.uid);
    let response = next.run(request).await;
    if let (Some(Failed(it)), Some(uid)) = (response.extensions().get(), uid)
        && let Some(more) = lines.note_caused(uid, Instant::now())
    {
        tracing::warn!(code = %it.code, detail = %it.detail, uid, more, "request failed");
    }
    response
}

/// Answers a request for an unknown path.
pub(super) async fn not_found(method: Method, uri: Uri) -> Refusal {
    let path: String = uri.path().chars().take(SHOWN).collect();
    Refusal::new(
        ProblemCode::NotFound,
        format!("no such path: {method} {path}; GET /v1/openapi.json lists every path"),
    )
}

/// Answers a known path with another method. axum sets the Allow header.
pub(super) async fn method_not_allowed(method: Method, uri: Uri) -> Refusal {
    let path: String = uri.path().chars().take(SHOWN).collect();
    Refusal::new(
        ProblemCode::MethodNotAllowed,
        format!("{path} does not support {method}; the Allow header lists its methods"),
    )
}
