//! Searches among the stored certificates.

use serde::Deserialize;

use super::{field, json_text, query, up_to};
use crate::certificate::{Certificate, Operation};
use crate::id::SessionRef;
use crate::operations::entry::{Parameter, ParameterKind};
use crate::operations::input::{Input, Sent};
use crate::problem::Problem;
use crate::time::Timestamp;

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
