//! Problems as answers, and their documentation.

use std::collections::BTreeMap;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use onair_types::{Problem, ProblemCode};
use utoipa::IntoResponses;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder, response};

use crate::shutdown::ShuttingDown;

/// A problem to send as an answer.
#[derive(Debug)]
pub(super) struct Refusal(pub(super) Problem);

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
        if status.is_server_error() {
            tracing::warn!(code = %self.0.code, detail = %self.0.detail, "request failed");
        }
        let body = serde_json::to_vec(&self.0).expect("a problem's maps have text keys");
        let kind = HeaderValue::from_static(Problem::MEDIA_TYPE);
        let mut response = (status, [(header::CONTENT_TYPE, kind)], body).into_response();
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

/// Documents `codes`, one response per status.
fn documented(codes: &[ProblemCode]) -> BTreeMap<String, RefOr<response::Response>> {
    let mut by_status: BTreeMap<u16, Vec<String>> = BTreeMap::new();
    for code in codes {
        let line = format!("`{code}`: {}.", code.title());
        by_status.entry(code.status()).or_default().push(line);
    }
    let content = || {
        ContentBuilder::new()
            .schema(Some(RefOr::Ref(Ref::from_schema_name("Problem"))))
            .build()
    };
    by_status
        .into_iter()
        .map(|(status, lines)| {
            let response = ResponseBuilder::new()
                .description(lines.join(" "))
                .content(Problem::MEDIA_TYPE, content())
                .build();
            (status.to_string(), RefOr::T(response))
        })
        .collect()
}

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident: $($code:ident)+;)+) => {$(
        $(#[$doc])*
        pub(super) struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<response::Response>> {
                documented(&[$(ProblemCode::$code),+])
            }
        }
    )+};
}

refusals! {
    /// Paths that need no other part of the daemon.
    Plain: InvalidRequest HeadersTooLarge;
    /// The page about one code.
    OfPage: InvalidRequest NotFound HeadersTooLarge;
    /// Requests to the actor about no particular session.
    OfAll: InvalidRequest Forbidden HeadersTooLarge Overloaded ShuttingDown Internal;
    /// The event stream.
    OfEvents: InvalidRequest NoSuchSession StaleSession LimitReached Forbidden HeadersTooLarge
        Overloaded ShuttingDown Internal;
    /// Health, which is 503 with a body of its own if the daemon is not ready.
    OfHealth: InvalidRequest HeadersTooLarge Internal;
    /// The shutdown, which asks the coordinator and not the actor.
    OfShutdown: InvalidRequest Forbidden RequestTimeout TooLarge HeadersTooLarge;
    /// Creating a session.
    OfCreate: InvalidRequest InvalidSpec NoSuchPort NameTaken RequestTimeout TooLarge
        UnsupportedMediaType LimitReached DiskFailed Forbidden HeadersTooLarge DataplaneBusy
        Overloaded ShuttingDown Internal;
    /// Reading one session.
    OfLook: InvalidRequest NoSuchSession StaleSession Forbidden HeadersTooLarge Overloaded
        ShuttingDown Internal;
    /// The certificate.
    OfCertificate: InvalidRequest NoSuchSession StaleSession CertificatePending Forbidden
        HeadersTooLarge Overloaded ShuttingDown Internal;
    /// Stop and start.
    OfChange: InvalidRequest NoSuchSession StaleSession Draining Quarantined DiskFailed Forbidden
        RequestTimeout TooLarge HeadersTooLarge DataplaneBusy Overloaded ShuttingDown Internal;
    /// Destroy.
    OfDestroy: InvalidRequest NoSuchSession StaleSession Running Busy Draining Quarantined
        Forbidden RequestTimeout TooLarge HeadersTooLarge ProbeBlind DataplaneBusy Overloaded
        ShuttingDown Internal;
    /// Flush.
    OfFlush: InvalidRequest NoSuchSession StaleSession DeadlinePassed FramesDropped Quarantined
        LimitReached Forbidden RequestTimeout TooLarge UnsupportedMediaType HeadersTooLarge
        Overloaded ShuttingDown Internal;
    /// Starting a recording.
    OfRecord: InvalidRequest NoSuchSession StaleSession NameTaken DiskFailed Quarantined LimitReached
        Forbidden RequestTimeout TooLarge UnsupportedMediaType HeadersTooLarge Overloaded ShuttingDown
        Internal;
    /// Reading one recording.
    OfRecording: InvalidRequest NoSuchRecording Forbidden HeadersTooLarge Overloaded ShuttingDown
        Internal;
    /// Ending a recording.
    OfRecordingStop: InvalidRequest NoSuchRecording DeadlinePassed Forbidden RequestTimeout TooLarge
        HeadersTooLarge Overloaded ShuttingDown Internal;
    /// Evicting one client.
    OfEvict: InvalidRequest NoSuchSession NoSuchAttachment StaleSession Quarantined Forbidden
        RequestTimeout TooLarge HeadersTooLarge DataplaneBusy Overloaded ShuttingDown Internal;
    /// Evicting all clients, and abort.
    OfAbort: InvalidRequest NoSuchSession StaleSession Quarantined Forbidden RequestTimeout TooLarge
        HeadersTooLarge DataplaneBusy Overloaded ShuttingDown Internal;
    /// Quarantine.
    OfQuarantine: InvalidRequest NoSuchSession StaleSession Running Draining Quarantined Forbidden
        RequestTimeout TooLarge HeadersTooLarge Overloaded ShuttingDown Internal;
    /// Destroy with a deadline.
    OfDestroyWait: InvalidRequest NoSuchSession StaleSession Running DeadlinePassed Draining
        Quarantined Forbidden RequestTimeout TooLarge UnsupportedMediaType HeadersTooLarge
        ProbeBlind DataplaneBusy Overloaded ShuttingDown Internal;
}
