//! Problems as answers.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use onair_api::{Problem, ProblemCode};

use crate::shutdown::ShuttingDown;

/// A problem to send as an answer.
#[derive(Debug)]
pub(super) struct Refusal(pub(super) Problem);

/// Of a response: why the request failed, to be logged.
#[derive(Clone, Debug)]
pub(super) struct Failed(pub(super) Problem);

impl Refusal {
    pub(super) fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self(Problem::new(code, detail))
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl From<ShuttingDown> for Refusal {
    fn from(refusal: ShuttingDown) -> Self {
        Self(refusal.into())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self.0).expect("a problem's maps have text keys");
        let kind = HeaderValue::from_static(Problem::MEDIA_TYPE);
        let mut response = (status, [(header::CONTENT_TYPE, kind)], body).into_response();
        if status.is_server_error() {
            response.extensions_mut().insert(Failed(self.0.clone()));
        }
        // The rest of such a request was not read, so nothing after it can be parsed.
        if matches!(
            self.0.code,
            ProblemCode::RequestTimeout | ProblemCode::TooLarge | ProblemCode::HeadersTooLarge
        ) {
            response
                .headers_mut()
                .insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}
