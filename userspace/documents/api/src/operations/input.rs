//! Input of a request besides its subject: a JSON body or a query.

use std::fmt::Debug;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Described;
use super::entry::Parameter;
use crate::group::{GroupPatch, NewGroup, NewGroupDocument};
use crate::id::SessionId;
use crate::problem::{Problem, ProblemCode};
use crate::recording::RecordingSpec;
use crate::spec::{NewSession, NewSessionDocument, SessionPatch, SpecError};

/// Input of a request besides its subject.
pub trait Input: Debug + Sized + Send {
    /// The body or the query as it arrives: its fields have the right types.
    type Document: DeserializeOwned + Described + Send;
    /// Whether it is the body. Else it is the query.
    const IS_BODY: bool;
    /// Parameters of the query.
    const PARAMETERS: &'static [Parameter];

    /// Checks the values.
    ///
    /// # Errors
    /// `invalid_request` or `invalid_spec`, with the invalid fields.
    fn accept(document: Self::Document) -> Result<Self, Problem>;

    /// As a client sends it.
    fn sent(&self) -> Sent;
}

/// The input of a request, ready to send.
#[derive(Clone, Debug, PartialEq)]
pub enum Sent {
    /// A JSON body.
    Body(Value),
    /// Fields of the query, in order.
    Query(Vec<(&'static str, String)>),
}

impl Sent {
    /// The body, and what follows the path.
    #[must_use]
    pub fn parts(self) -> (Option<Value>, String) {
        match self {
            Self::Body(body) => (Some(body), String::new()),
            Self::Query(fields) if fields.is_empty() => (None, String::new()),
            Self::Query(fields) => {
                let fields: Vec<_> = fields.iter().map(|(k, v)| format!("{k}={v}")).collect();
                (None, format!("?{}", fields.join("&")))
            }
        }
    }
}

fn body(document: &impl Serialize) -> Sent {
    Sent::Body(serde_json::to_value(document).expect("a request's maps have text keys"))
}

/// The query of an operation that has none: anything.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Anything {}

impl Input for () {
    type Document = Anything;
    const IS_BODY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[];

    fn accept(_: Anything) -> Result<Self, Problem> {
        Ok(())
    }

    fn sent(&self) -> Sent {
        Sent::Query(Vec::new())
    }
}

macro_rules! bodies {
    ($($input:ty, $document:ty, $accept:expr;)+) => {$(
        impl Input for $input {
            type Document = $document;
            const IS_BODY: bool = true;
            const PARAMETERS: &'static [Parameter] = &[];

            fn accept(document: $document) -> Result<Self, Problem> {
                $accept(document)
            }

            fn sent(&self) -> Sent {
                body(self)
            }
        }
    )+};
}

bodies! {
    NewSession, NewSessionDocument, |document| Ok(Self::try_from(document)?);
    Box<SessionPatch>, SessionPatch, |patch: SessionPatch| {
        if patch.is_empty() {
            let detail = "it names no field: give at least one, such as destination";
            return Err(SpecError::new("flow", detail.to_owned()).into());
        }
        if patch.at_tai_ns.is_some() && (patch.running.is_some() || patch.rejoin) {
            let detail = "is given with running or rejoin, which are at once: give it without";
            return Err(SpecError::new("at_tai_ns", detail).into());
        }
        Ok(Box::new(patch))
    };
    NewGroup, NewGroupDocument, |document| Ok(Self::try_from(document)?);
    GroupPatch, GroupPatch, |patch: GroupPatch| {
        if !(1..=GroupPatch::MOST).contains(&patch.sessions.len()) {
            let detail = format!("has {} changes: give 1 to {}", patch.sessions.len(), GroupPatch::MOST);
            return Err(SpecError::new("sessions", detail).into());
        }
        if patch.sessions.iter().any(|it| it.change.is_empty()) {
            let detail = "a change names no field: give at least one of each member";
            return Err(SpecError::new("sessions", detail.to_owned()).into());
        }
        if patch.sessions.iter().any(|it| it.change.at_tai_ns.is_some()) {
            let detail = "a member has no time of its own: give at_tai_ns for all";
            return Err(SpecError::new("sessions", detail.to_owned()).into());
        }
        if patch.sessions.iter().any(|it| it.change.running.is_some() || it.change.rejoin) {
            let detail = "a change has running or rejoin: these are of PATCH /v1/sessions/{id} only";
            return Err(SpecError::new("sessions", detail.to_owned()).into());
        }
        Ok(patch)
    };
    Box<RecordingSpec>, RecordingSpec, |spec: RecordingSpec| {
        match spec.check() {
            errors if errors.is_empty() => Ok(Box::new(spec)),
            errors => Err(Problem::of_fields(ProblemCode::InvalidRequest, errors)),
        }
    };
    DestroyWait, DestroyWait, |wait: DestroyWait| at_most_a_day(wait.deadline_ms).map(|()| wait);
    Flush, Flush, |wait: Flush| at_most_a_day(wait.deadline_ms).map(|()| wait);
}

fn at_most_a_day(deadline_ms: u64) -> Result<(), Problem> {
    const MAX_MS: u64 = DestroyWait::MAX_MS;
    if deadline_ms > MAX_MS {
        let problem = format!("{deadline_ms} is too long: give 0 to {MAX_MS} milliseconds");
        return Err(SpecError::new("deadline_ms", problem).into());
    }
    Ok(())
}

/// Body of `POST /v1/sessions/{id}/destroy_wait`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct DestroyWait {
    /// How long to wait for the users to leave, in milliseconds from the request's arrival: 0 to
    /// 86,400,000 (a day). 0 checks once.
    #[serde(deserialize_with = "onair_essence::whole::number")]
    #[cfg_attr(
        feature = "openapi",
        schema(minimum = 0, maximum = 86_400_000, examples(5000))
    )]
    pub deadline_ms: u64,
}

impl DestroyWait {
    /// Longest wait, in milliseconds: a day.
    pub const MAX_MS: u64 = 86_400_000;
}

/// Body of `POST /v1/sessions/{id}/flush`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Flush {
    /// How long to wait for the submitted frames, in milliseconds from the request's arrival: 0 to
    /// 86,400,000 (a day). 0 is too short for a running send session, because its poller has to
    /// answer.
    #[serde(deserialize_with = "onair_essence::whole::number")]
    #[cfg_attr(
        feature = "openapi",
        schema(minimum = 0, maximum = 86_400_000, examples(5000))
    )]
    pub deadline_ms: u64,
}

/// Answer of `POST /v1/sessions/{id}/flush`: every frame that clients submitted before the request
/// is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Flushed {
    /// The session's id.
    pub session: SessionId,
    /// Of these frames, those sent after the request arrived.
    pub frames_sent: u64,
    /// Duration of the wait, in milliseconds.
    pub waited_ms: u64,
}
