//! What holds for every path: the size of the head, no query, and answers where there is no route.

use axum::extract::{Request, State};
use axum::http::{Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use onair_types::ProblemCode;

use super::limits::Limits;
use super::refusal::Refusal;

/// Longest part of a target that is repeated in an answer, in characters.
const SHOWN: usize = 100;

/// Paths that take a query. Each refuses what it does not know.
const WITH_QUERY: [&str; 3] = ["/v1/certificates", "/v1/events", "/v1/recordings"];

/// Lets a request pass whose head is small and that asks for no option by query: no path of this
/// API that changes anything has one, and `?force=true` shall not be taken for granted silently.
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
                "the request's head has {} bytes, {} are taken",
                target + headers,
                limits.head_bytes
            ),
        )
        .into_response();
    }
    let takes_query = WITH_QUERY.contains(&uri.path());
    if let Some(query) = uri
        .query()
        .filter(|query| !query.is_empty() && !takes_query)
    {
        let query: String = query.chars().take(SHOWN).collect();
        return Refusal::new(
            ProblemCode::InvalidRequest,
            format!("this path takes no query, but \"?{query}\" came"),
        )
        .into_response();
    }
    next.run(request).await
}

/// Answer where nothing is.
pub(super) async fn not_found(method: Method, uri: Uri) -> Refusal {
    let path: String = uri.path().chars().take(SHOWN).collect();
    Refusal::new(
        ProblemCode::NotFound,
        format!("nothing is at {method} {path}; GET /v1/openapi.json lists every path"),
    )
}

/// Answer where something is, but not for this method. The Allow header is axum's.
pub(super) async fn method_not_allowed(method: Method, uri: Uri) -> Refusal {
    let path: String = uri.path().chars().take(SHOWN).collect();
    Refusal::new(
        ProblemCode::MethodNotAllowed,
        format!("{path} does not take {method}; the Allow header says what it takes"),
    )
}
