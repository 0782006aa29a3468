//! Which events a reader wants.

use serde::Deserialize;

use crate::event::EventName;
use crate::id::{IdError, SessionRef};
use crate::operations::entry::{Parameter, ParameterKind, ParameterPlace};
use crate::operations::input::{Input, Sent};
use crate::problem::Problem;
use crate::spec::SpecError;

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
