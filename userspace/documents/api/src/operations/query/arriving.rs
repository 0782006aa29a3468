//! A search among what arrives.

use serde::Deserialize;

use super::query;
use crate::operations::entry::{Parameter, ParameterKind};
use crate::operations::input::{Input, Sent};
use crate::problem::Problem;

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
