//! Queries: which of the things that exist an answer has.

mod session;

use std::fmt::Display;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::input::Sent;
use crate::certificate::{Certificate, Operation};
use crate::event::EventName;
use crate::id::{IdError, SessionRef};
use crate::operations::entry::{Parameter, ParameterKind, ParameterPlace};
use crate::operations::input::Input;
use crate::problem::Problem;
use crate::spec::SpecError;
use crate::time::Timestamp;

pub use session::SessionQuery;

/// The given fields of a query.
fn query<const N: usize>(fields: [(&'static str, Option<String>); N]) -> Sent {
    let given = fields.into_iter().filter_map(|(k, v)| Some((k, v?)));
    Sent::Query(given.collect())
}

/// A field of a query, parsed; the error names the field.
fn field<T, E: Display>(
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
struct LimitError {
    text: String,
    most: usize,
}

/// Parses a number of entries from 1 to `most`.
fn up_to(most: usize) -> impl FnOnce(&str) -> Result<usize, LimitError> {
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

/// A search among what arrives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArrivingQuery {
    /// Only at this port.
    pub port: Option<String>,
}

/// The query of `GET /v1/arriving`, not parsed yet.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ArrivingFields {
    port: Option<String>,
}

impl Input for ArrivingQuery {
    type Document = ArrivingFields;
    const IS_BODY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[Parameter::query(
        "port",
        ParameterKind::Text,
        "A port's name.",
    )];

    fn accept(fields: ArrivingFields) -> Result<Self, Problem> {
        Ok(Self { port: fields.port })
    }

    fn sent(&self) -> Sent {
        query([("port", self.port.clone())])
    }
}

/// A search. A certificate matches if it meets every given criterion.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateQuery {
    /// Only this session: an id, or a name (every session of that name).
    pub session: Option<SessionRef>,
    /// Only this operation.
    pub operation: Option<Operation>,
    /// Only issued then or later.
    pub since: Option<Timestamp>,
    /// At most this many, newest first.
    pub limit: Option<usize>,
}

impl CertificateQuery {
    /// Maximum number of certificates in one answer.
    pub const MOST: usize = 100_000;

    /// Whether a certificate matches, the limit aside.
    #[must_use]
    pub fn wants(&self, certificate: &Certificate) -> bool {
        let of_session = self.session.as_ref().is_none_or(|session| match session {
            SessionRef::Id(id) => certificate.session == *id,
            SessionRef::Name(name) => certificate.name == *name,
        });
        let is_operation = |operation| certificate.operation == operation;
        let is_later = |since| certificate.issued_at >= since;
        of_session && self.operation.is_none_or(is_operation) && self.since.is_none_or(is_later)
    }
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
        Parameter::query("name", ParameterKind::Text, "A session's name or id."),
        Parameter::query(
            "operation",
            ParameterKind::Schema("Operation"),
            "The operation that destroyed the session.",
        ),
        Parameter::query(
            "since",
            ParameterKind::Time,
            "Issued at this time or later (RFC 3339).",
        ),
        Parameter::query(
            "limit",
            ParameterKind::UpTo(Self::MOST),
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
            ParameterKind::Name,
            "Only events of this session: an id or a name.",
        ),
        Parameter::query(
            "kind",
            ParameterKind::Schemas("EventName"),
            "Only events of these kinds; repeat it, or separate with commas.",
        ),
        Parameter {
            name: "Last-Event-ID",
            place: ParameterPlace::Header,
            kind: ParameterKind::TextOrNull,
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
        ParameterKind::Text,
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
