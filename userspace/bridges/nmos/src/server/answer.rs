//! Parts of each answer: headers for browsers (CORS), and of an error the body of IS-04's error schema.

use std::error::Error as _;

use axum::Json;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, CONTENT_TYPE,
};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use onair_http::{BodyError, Limits, PeerPlace, whole};

/// Longest text of another library that an error shows, in bytes.
const LONGEST: usize = 1 << 10;

/// An error as NMOS APIs answer it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Status of HTTP.
    pub status: StatusCode,
    /// The failure, for people.
    pub error: String,
    /// More, for programmers.
    pub debug: Option<String>,
}

impl Refusal {
    /// Without more for programmers.
    #[must_use]
    pub fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self {
            status,
            error: error.into(),
            debug: None,
        }
    }

    /// The error schema of IS-04 and IS-05.
    pub(crate) fn document(&self) -> Value {
        json!({"code": self.status.as_u16(), "error": self.error, "debug": self.debug})
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(self.document())).into_response()
    }
}

pub(super) async fn no_such_path() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "there is nothing at this path")
}

pub(super) async fn no_such_method() -> Refusal {
    let error = "this path does not have this method";
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, error)
}

/// Answers what browsers ask before a request (Fetch, §3.3), and completes the other answers.
pub(super) async fn finish(State(limits): State<Limits>, request: Request, next: Next) -> Response {
    let mut response = if request.method() == Method::OPTIONS {
        StatusCode::OK.into_response()
    } else {
        let answer = async {
            let request = whole(request, &limits).await?;
            // It has the body's bytes.
            let _place = request.extensions().get::<PeerPlace>().cloned();
            Ok::<_, Refusal>(next.run(request).await)
        };
        let late = Refusal::new(StatusCode::REQUEST_TIMEOUT, "the request took too long");
        match tokio::time::timeout(limits.request, answer).await {
            Ok(Ok(response)) => in_schema(response).await,
            Ok(Err(refusal)) => refusal.into_response(),
            Err(_) => late.into_response(),
        }
    };
    let headers = response.headers_mut();
    let fixed = |text| HeaderValue::from_static(text);
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, fixed("*"));
    let methods = fixed("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, fixed("Content-Type, Accept"));
    headers.insert(ACCESS_CONTROL_MAX_AGE, fixed("3600"));
    response
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        let status = match error {
            BodyError::Late => StatusCode::REQUEST_TIMEOUT,
            BodyError::Large { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        };
        Self {
            status,
            error: error.to_string(),
            debug: error.source().map(ToString::to_string),
        }
    }
}

/// An error that a library answered, in the error schema.
async fn in_schema(response: Response) -> Response {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    let kind = response.headers().get(CONTENT_TYPE);
    if !is_error || kind.is_some_and(|it| it.as_bytes().starts_with(b"application/json")) {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let text = to_bytes(body, LONGEST).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let refusal = Refusal {
        status,
        error: status.canonical_reason().unwrap_or("refused").to_owned(),
        debug: Some(text).filter(|it| !it.is_empty()),
    };
    let (_, body) = refusal.into_response().into_parts();
    head.headers.remove(axum::http::header::CONTENT_LENGTH);
    head.headers
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Response::from_parts(head, body)
}
