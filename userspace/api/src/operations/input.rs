//! What a request carries besides its subject: a JSON body or a query.

use std::fmt::{Debug, Display};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Described;
use super::entry::{Kind, Parameter, Place};
use crate::certificate::query::CertificateQuery;
use crate::event::EventName;
use crate::id::{IdError, SessionRef};
use crate::problem::{Problem, ProblemCode};
use crate::recording::RecordingSpec;
use crate::request::{DestroyWait, Flush};
use crate::spec::{NewSession, NewSessionDocument, SessionPatch, SpecError};

/// What a request carries besides its subject.
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

/// The given fields of a query.
pub(super) fn query<const N: usize>(fields: [(&'static str, Option<String>); N]) -> Sent {
    let given = fields.into_iter().filter_map(|(k, v)| Some((k, v?)));
    Sent::Query(given.collect())
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
        Ok(Box::new(patch))
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

/// A field of a query, parsed; the error names the field.
pub(super) fn field<T, E: Display>(
    name: &str,
    text: Option<String>,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<Option<T>, Problem> {
    let parsed = text.as_deref().map(parse).transpose();
    parsed.map_err(|error| SpecError::new(name, error.to_string()).into())
}

/// Not a number of entries, or not one of the range.
#[derive(Debug, thiserror::Error)]
#[error("{text:?} is not a valid limit: give 1 to {most}")]
pub(super) struct LimitError {
    text: String,
    most: usize,
}

/// Parses a number of entries from 1 to `most`.
pub(super) fn up_to(most: usize) -> impl FnOnce(&str) -> Result<usize, LimitError> {
    move |text| {
        let limit = text.parse().ok().filter(|limit| (1..=most).contains(limit));
        limit.ok_or_else(|| LimitError {
            text: text.to_owned(),
            most,
        })
    }
}

/// A field with one of the texts that `T` has in JSON.
fn json_text<T: DeserializeOwned>(text: &str) -> Result<T, serde_json::Error> {
    serde_json::from_value(text.into())
}

/// The query of `GET /v1/certificates`, not parsed yet.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CertificateFields {
    name: Option<String>,
    operation: Option<String>,
    since: Option<String>,
    limit: Option<String>,
}

impl Input for CertificateQuery {
    type Document = CertificateFields;
    const IS_BODY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[
        Parameter::query("name", Kind::Text, "A session's name or id."),
        Parameter::query(
            "operation",
            Kind::Schema("Operation"),
            "The operation that destroyed the session.",
        ),
        Parameter::query(
            "since",
            Kind::Time,
            "Issued at this time or later (RFC 3339).",
        ),
        Parameter::query(
            "limit",
            Kind::UpTo(Self::MOST),
            "Maximum number; the newest ones.",
        ),
    ];

    fn accept(fields: CertificateFields) -> Result<Self, Problem> {
        Ok(Self {
            session: field("name", fields.name, str::parse::<SessionRef>)?,
            operation: field("operation", fields.operation, json_text)?,
            since: field("since", fields.since, json_text)?,
            limit: field("limit", fields.limit, up_to(Self::MOST))?,
        })
    }

    fn sent(&self) -> Sent {
        query([
            ("name", self.session.as_ref().map(ToString::to_string)),
            ("operation", self.operation.map(|it| it.to_string())),
            ("since", self.since.map(|it| it.to_string())),
            ("limit", self.limit.map(|it| it.to_string())),
        ])
    }
}

/// A search among the recordings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordingQuery {
    /// Only recordings of this session.
    pub session: Option<SessionRef>,
}

/// The query of `GET /v1/recordings`, not parsed yet.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RecordingFields {
    session: Option<String>,
}

impl Input for RecordingQuery {
    type Document = RecordingFields;
    const IS_BODY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[Parameter::query(
        "session",
        Kind::Text,
        "A session's name or id.",
    )];

    fn accept(fields: RecordingFields) -> Result<Self, Problem> {
        let session = field("session", fields.session, str::parse)?;
        Ok(Self { session })
    }

    fn sent(&self) -> Sent {
        query([("session", self.session.as_ref().map(ToString::to_string))])
    }
}

/// The events that a reader wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventQuery {
    /// Only events of this session.
    pub session: Option<SessionRef>,
    /// Only events of these kinds; empty: all kinds.
    pub kinds: Vec<EventName>,
}

/// The query of `GET /v1/events`, not parsed yet: a key may come more than once.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
#[serde(transparent)]
pub struct EventFields(Vec<(String, String)>);

impl Input for EventQuery {
    type Document = EventFields;
    const IS_BODY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[
        Parameter::query(
            "session",
            Kind::Name,
            "Only events of this session: an id or a name.",
        ),
        Parameter::query(
            "kind",
            Kind::Schemas("EventName"),
            "Only events of these kinds; repeat it, or separate with commas.",
        ),
        Parameter {
            name: "Last-Event-ID",
            place: Place::Header,
            kind: Kind::TextOrNull,
            description: "`id` of the last event that the reader has.",
        },
    ];

    fn accept(fields: EventFields) -> Result<Self, Problem> {
        let wrong = |field: &str, problem: String| Problem::from(SpecError::new(field, problem));
        let mut wanted = Self::default();
        for (key, value) in fields.0 {
            match key.as_str() {
                "session" if wanted.session.is_some() => {
                    return Err(wrong("session", "given twice".to_owned()));
                }
                "session" => {
                    let named = value.parse();
                    wanted.session =
                        Some(named.map_err(|e: IdError| wrong("session", e.to_string()))?);
                }
                "kind" => {
                    for kind in value.split(',') {
                        let named = kind.parse::<EventName>();
                        let named = named.map_err(|e| wrong("kind", e.to_string()))?;
                        wanted.kinds.push(named);
                    }
                }
                other => {
                    let other: String = other.chars().take(40).collect();
                    let problem = format!("{other:?} is unknown: give session or kind");
                    return Err(wrong("query", problem));
                }
            }
        }
        Ok(wanted)
    }

    fn sent(&self) -> Sent {
        let session = self.session.iter().map(|it| ("session", it.to_string()));
        let kinds = self.kinds.iter().map(|it| ("kind", it.to_string()));
        Sent::Query(session.chain(kinds).collect())
    }
}
