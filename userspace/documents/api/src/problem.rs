//! Errors of the API: problem details (RFC 9457) with a stable code.

use serde::{Deserialize, Serialize};

use crate::session::{Blocker, Verdict};
use crate::spec::{NewSessionError, SpecError, SpecErrors};

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident $code:literal $status:literal $title:literal $advice:literal;)+) => {
        /// Stable code of an error.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(rename_all = "snake_case")]
        pub enum ProblemCode { $($(#[$doc])* $variant,)+ }

        impl ProblemCode {
            /// Every code, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The code as text.
            #[must_use]
            pub fn as_str(self) -> &'static str { match self { $(Self::$variant => $code,)+ } }

            /// HTTP status of the answer.
            #[must_use]
            pub fn status(self) -> u16 { match self { $(Self::$variant => $status,)+ } }

            /// Title: stable, a few words.
            #[must_use]
            pub fn title(self) -> &'static str { match self { $(Self::$variant => $title,)+ } }

            /// The remedy, for people.
            #[must_use]
            pub fn advice(self) -> &'static str { match self { $(Self::$variant => $advice,)+ } }
        }
    };
}

codes! {
    /// The request does not match the API (not JSON, a missing, unknown or mistyped field).
    InvalidRequest "invalid_request" 400 "The request does not match the API"
        "Compare the request with GET /v1/openapi.json.";
    /// A session specification with invalid fields; `errors` names each.
    InvalidSpec "invalid_spec" 422 "Invalid session specification"
        "Correct each field that the message names.";
    /// Nothing at this path.
    NotFound "not_found" 404 "No such path"
        "GET /v1/openapi.json lists every path.";
    /// The path does not support this method.
    MethodNotAllowed "method_not_allowed" 405 "The path does not support this method"
        "The Allow header and GET /v1/openapi.json list the supported methods.";
    /// The body did not arrive in time.
    RequestTimeout "request_timeout" 408 "The request did not arrive in time"
        "Send the whole request without a pause.";
    /// The body is larger than the limit.
    TooLarge "too_large" 413 "The request's body is too large"
        "Send at most 64 KiB.";
    /// The content type is not JSON.
    UnsupportedMediaType "unsupported_media_type" 415 "The request's body is not JSON"
        "Send Content-Type: application/json.";
    /// The headers are larger than the limit.
    HeadersTooLarge "headers_too_large" 431 "The request's headers are too large"
        "Send at most 8 KiB of headers.";
    /// No session has that name, and no session had that id.
    NoSuchSession "no_such_session" 404 "No such session"
        "`onairctl session list` lists the live sessions.";
    /// The session of this id is gone (destroyed, or of an earlier daemon).
    StaleSession "stale_session" 410 "The session is gone"
        "Create it again; `onairctl session certificate ID` shows its certificate.";
    /// The session has no attachment of that number, or no longer has it.
    NoSuchAttachment "no_such_attachment" 404 "No such attachment"
        "`onairctl session show` lists the attachments with their numbers.";
    /// No port of that name.
    NoSuchPort "no_such_port" 422 "No such port"
        "`onairctl health` lists the ports; they are set in the daemon's configuration.";
    /// No group has that name.
    NoSuchGroup "no_such_group" 404 "No such group"
        "`onairctl group list` lists them.";
    /// No recording of that id or name.
    NoSuchRecording "no_such_recording" 404 "No such recording"
        "`onairctl record list` lists the running and the ended recordings.";
    /// A live session or a recording has that name.
    NameTaken "name_taken" 409 "The name is taken"
        "Choose another name, or end the session or recording that has it.";
    /// The files of a recording cannot be created or were not finished; or a session works and the
    /// daemon cannot save it.
    DiskFailed "disk_failed" 507 "The disk refused the write"
        "Check that recorder.folder (for a session: state.dir) exists, is writable and has space.";
    /// The session has users; `blockers` and `verdict` name them.
    Busy "busy" 409 "The session is in use"
        "End or wait for the blockers; `onairctl session destroy --wait 5s` waits for them.";
    /// A destroy of a running session.
    Running "running" 409 "The session is running"
        "Stop it with `onairctl session stop`, then repeat this.";
    /// The session is being destroyed and accepts no other operation.
    Draining "draining" 409 "The session is being destroyed"
        "Wait for the current destroy.";
    /// The session was set aside with its users, and accepts no operation.
    Quarantined "quarantined" 409 "The session is quarantined"
        "It is freed when its last holder exits; `onairctl session blockers` names it.";
    /// The deadline passed first. A destroy: there are still users, and the session stays stopped.
    /// A flush: frames are unsent, and the session continues. The stop of a recording: it accepts
    /// no packet, and its files are not complete yet.
    DeadlinePassed "deadline_passed" 409 "The deadline passed first"
        "Wait longer; a destroy names its blockers and leaves the session stopped, a flush changes nothing, a recording finishes as soon as the disk allows it.";
    /// A flush: some submitted frames will not be sent.
    FramesDropped "frames_dropped" 409 "Submitted frames were dropped"
        "Submit them again; the session's counters say how many were dropped and why.";
    /// There is no picture of the session: it is stopped, no complete frame came in time, or its
    /// frames cannot be shown.
    NoPicture "no_picture" 409 "No picture of the session"
        "`onairctl session show` says what the session receives or sends; start it if it is stopped.";
    /// A converted session has no packets: it cannot be recorded, described, retargeted or shown as a
    /// picture.
    NoPackets "no_packets" 409 "The session has no packets"
        "Use its source, which `onairctl session show` names.";
    /// The session has changed since the answer whose ETag the request names in If-Match.
    PreconditionFailed "precondition_failed" 412 "The session has changed"
        "GET the session again, and decide again.";
    /// An Idempotency-Key that another request of this user had.
    KeyReused "key_reused" 422 "The key belongs to another request"
        "Give each request a key of its own.";
    /// A request with the same Idempotency-Key is being carried out.
    InProgress "in_progress" 409 "The request is being carried out"
        "Send it again shortly, with the same key.";
    /// The daemon that was to take over did not start, or this one cannot be replaced.
    NotReplaced "not_replaced" 409 "The daemon was not replaced"
        "The running daemon goes on; the message says why, and the new daemon's log says more.";
    /// The session is not destroyed, so it has no certificate.
    CertificatePending "certificate_pending" 409 "No certificate yet"
        "Destroy the session first.";
    /// The peer's credentials do not permit the request.
    Forbidden "forbidden" 403 "Not allowed"
        "Send the request as root, as the daemon's user or as the session's owner, or give this user a role in the configuration ([[control.role]]).";
    /// A limit of the daemon or of its configuration is reached.
    LimitReached "limit_reached" 429 "A limit is reached"
        "Destroy what is no longer needed, or raise the limit.";
    /// The poller of the session has no room for its packets.
    PollerFull "poller_full" 429 "The poller has no room for the session"
        "Use a port of another poller, destroy sessions, or overcommit it (`onairctl session create --overcommit`).";
    /// The probe is required and not proven to see.
    ProbeBlind "probe_blind" 503 "The probe is not proven to see"
        "`onairctl health` gives the cause; the daemon refuses attaches and destroys until the probe sees again.";
    /// The program that makes the frames of converted sessions is not there.
    NoConverter "no_converter" 503 "The daemon cannot convert"
        "Install onair-convert beside onaird, of the same release; the message has the path.";
    /// A client named a layout in which no session has the frames.
    NotConverted "not_converted" 404 "No session has the frames in that layout"
        "Create one: the message has the command.";
    /// A poller did not answer in time, or its command queue is full.
    DataplaneBusy "dataplane_busy" 503 "The data plane did not answer in time"
        "Try again; `onairctl health` shows the pollers.";
    /// The session's poller has died or makes no turn, and no other poller can have the session.
    PollerDown "poller_down" 503 "The session's poller does not work"
        "Restart the daemon (`systemctl restart onaird`): nothing else frees what such a poller has. `onairctl poller list` names it; a session on another poller's port is not concerned.";
    /// The daemon has too many requests.
    Overloaded "overloaded" 503 "Too many requests are waiting"
        "Try again shortly.";
    /// The daemon is shutting down.
    ShuttingDown "shutting_down" 503 "The daemon is shutting down"
        "Try again after the daemon has restarted.";
    /// A bug of the daemon.
    Internal "internal" 500 "The daemon failed"
        "Report it with the daemon's log.";
}

impl std::fmt::Display for ProblemCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An error answer of the API: `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[error("{detail} ({code})")]
pub struct Problem {
    /// `/v1/problems/{code}`: a path on this socket that describes the code.
    #[serde(rename = "type")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, examples("/v1/problems/busy")))]
    pub kind: Box<str>,
    /// Title of the code.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub title: Box<str>,
    /// HTTP status.
    pub status: u16,
    /// The event, with the values.
    pub detail: String,
    /// The stable code.
    pub code: ProblemCode,
    /// Users of the session (`busy`, `deadline_passed`, `quarantined`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blockers: Vec<Blocker>,
    /// Each witness's reading (with `blockers`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Box<Verdict>>,
    /// Invalid fields (`invalid_spec`, `invalid_request`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<SpecError>,
}

impl Problem {
    /// Media type of a problem in JSON (RFC 9457 §3).
    pub const MEDIA_TYPE: &'static str = "application/problem+json";

    /// A problem with this code; `detail` says what happened, with the values.
    pub fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("/v1/problems/{code}").into(),
            title: code.title().into(),
            status: code.status(),
            detail: detail.into(),
            code,
            blockers: Vec::new(),
            verdict: None,
            errors: Vec::new(),
        }
    }

    /// Adds the blockers.
    #[must_use]
    pub fn with_blockers(mut self, blockers: Vec<Blocker>) -> Self {
        self.blockers = blockers;
        self
    }

    /// Adds the readings of the witnesses.
    #[must_use]
    pub fn with_verdict(mut self, verdict: Verdict) -> Self {
        self.verdict = Some(Box::new(verdict));
        self
    }

    /// A problem with these invalid fields, at least one.
    #[must_use]
    pub fn of_fields(code: ProblemCode, errors: Vec<SpecError>) -> Self {
        let detail = match errors.as_slice() {
            [one] => one.to_string(),
            many => {
                let fields: Vec<_> = many.iter().map(|error| error.field.as_str()).collect();
                format!("{} invalid fields: {}", many.len(), fields.join(", "))
            }
        };
        Self::new(code, detail).with_errors(errors)
    }

    /// Adds the invalid fields.
    #[must_use]
    pub fn with_errors(mut self, errors: Vec<SpecError>) -> Self {
        self.errors = errors;
        self
    }
}

impl From<SpecErrors> for Problem {
    fn from(errors: SpecErrors) -> Self {
        Self::of_fields(ProblemCode::InvalidSpec, errors.0)
    }
}

impl From<NewSessionError> for Problem {
    fn from(error: NewSessionError) -> Self {
        match error {
            NewSessionError::Missing(errors) => {
                Self::of_fields(ProblemCode::InvalidRequest, errors.0)
            }
            NewSessionError::Invalid(errors) => errors.into(),
        }
    }
}

impl From<SpecError> for Problem {
    fn from(error: SpecError) -> Self {
        Self::of_fields(ProblemCode::InvalidRequest, vec![error])
    }
}

/// Description of a code: answer of `GET /v1/problems/{code}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProblemPage {
    /// The code.
    pub code: ProblemCode,
    /// HTTP status of the answer.
    pub status: u16,
    /// Title.
    pub title: String,
    /// The remedy, for people.
    pub advice: String,
}

impl From<ProblemCode> for ProblemPage {
    fn from(code: ProblemCode) -> Self {
        Self {
            code,
            status: code.status(),
            title: code.title().to_owned(),
            advice: code.advice().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problem_code_to_json_then_its_word() {
        for &code in ProblemCode::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
            assert!((400..600).contains(&code.status()), "{code}");
            assert!(code.advice().ends_with('.'), "{code}");
        }
    }

    #[test]
    fn problem_plain_then_only_the_five_fields() {
        let problem = Problem::new(ProblemCode::NoSuchSession, "no session is called \"x\"");
        let value = serde_json::to_value(&problem).unwrap();
        let mut fields: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
        // In the order of writing or of the alphabet, as other crates' features have it.
        fields.sort_unstable();
        assert_eq!(fields, ["code", "detail", "status", "title", "type"]);
        assert_eq!(value["type"], "/v1/problems/no_such_session");
        assert_eq!(serde_json::from_value::<Problem>(value).unwrap(), problem);
    }
}
