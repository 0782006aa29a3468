//! A problem as an answer, and as a documented one.

use std::collections::BTreeMap;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use onair_types::{Problem, ProblemCode};
use utoipa::IntoResponses;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder, response};

use crate::shutdown::ShuttingDown;

/// A problem on its way out.
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
        // The rest of such a request was not read, so nothing after it can be understood.
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

/// Documents `codes`, one response a status.
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
    /// Of paths that ask nobody.
    Plain: InvalidRequest HeadersTooLarge;
    /// Of a page about a code.
    OfPage: InvalidRequest NotFound HeadersTooLarge;
    /// Of what asks the actor about no session in particular.
    OfAll: InvalidRequest Forbidden HeadersTooLarge Overloaded ShuttingDown Internal;
    /// Of the events.
    OfEvents: InvalidRequest NoSuchSession StaleSession LimitReached Forbidden HeadersTooLarge
        Overloaded ShuttingDown Internal;
    /// Of health, which is 503 with a body of its own when the daemon is not ready.
    OfHealth: InvalidRequest HeadersTooLarge Internal;
    /// Of the shutdown, which asks the coordinator and not the actor.
    OfShutdown: InvalidRequest Forbidden RequestTimeout TooLarge HeadersTooLarge;
    /// Of a new session.
    OfCreate: InvalidRequest InvalidSpec NoSuchPort NameTaken RequestTimeout TooLarge
        UnsupportedMediaType LimitReached DiskFailed Forbidden HeadersTooLarge DataplaneBusy
        Overloaded ShuttingDown Internal;
    /// Of a look at one session.
    OfLook: InvalidRequest NoSuchSession StaleSession Forbidden HeadersTooLarge Overloaded
        ShuttingDown Internal;
    /// Of the certificate.
    OfCertificate: InvalidRequest NoSuchSession StaleSession CertificatePending Forbidden
        HeadersTooLarge Overloaded ShuttingDown Internal;
    /// Of stop and start.
    OfChange: InvalidRequest NoSuchSession StaleSession Draining Quarantined DiskFailed Forbidden
        RequestTimeout TooLarge HeadersTooLarge DataplaneBusy Overloaded ShuttingDown Internal;
    /// Of destroy.
    OfDestroy: InvalidRequest NoSuchSession StaleSession Running Busy Draining Quarantined
        Forbidden RequestTimeout TooLarge HeadersTooLarge ProbeBlind DataplaneBusy Overloaded
        ShuttingDown Internal;
    /// Of flush.
    OfFlush: InvalidRequest NoSuchSession StaleSession DeadlinePassed FramesDropped Quarantined
        LimitReached Forbidden RequestTimeout TooLarge UnsupportedMediaType HeadersTooLarge
        Overloaded ShuttingDown Internal;
    /// Of the start of a recording.
    OfRecord: InvalidRequest NoSuchSession StaleSession NameTaken DiskFailed Quarantined LimitReached
        Forbidden RequestTimeout TooLarge UnsupportedMediaType HeadersTooLarge Overloaded ShuttingDown
        Internal;
    /// Of a look at a recording.
    OfRecording: InvalidRequest NoSuchRecording Forbidden HeadersTooLarge Overloaded ShuttingDown
        Internal;
    /// Of the stop of a recording.
    OfRecordingStop: InvalidRequest NoSuchRecording DeadlinePassed Forbidden RequestTimeout TooLarge
        HeadersTooLarge Overloaded ShuttingDown Internal;
    /// Of cutting one client off.
    OfEvict: InvalidRequest NoSuchSession NoSuchAttachment StaleSession Quarantined Forbidden
        RequestTimeout TooLarge HeadersTooLarge DataplaneBusy Overloaded ShuttingDown Internal;
    /// Of cutting everybody off, and of abort.
    OfAbort: InvalidRequest NoSuchSession StaleSession Quarantined Forbidden RequestTimeout TooLarge
        HeadersTooLarge DataplaneBusy Overloaded ShuttingDown Internal;
    /// Of quarantine.
    OfQuarantine: InvalidRequest NoSuchSession StaleSession Running Draining Quarantined Forbidden
        RequestTimeout TooLarge HeadersTooLarge Overloaded ShuttingDown Internal;
    /// Of destroy with a deadline.
    OfDestroyWait: InvalidRequest NoSuchSession StaleSession Running DeadlinePassed Draining
        Quarantined Forbidden RequestTimeout TooLarge UnsupportedMediaType HeadersTooLarge
        ProbeBlind DataplaneBusy Overloaded ShuttingDown Internal;
}
