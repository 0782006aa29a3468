//! Searches among the recordings.

use serde::Deserialize;

use super::{field, query};
use crate::id::SessionRef;
use crate::operations::entry::{Parameter, ParameterKind};
use crate::operations::input::{Input, Sent};
use crate::problem::Problem;

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
