//! The query of the list of sessions.

use serde::Deserialize;

use super::{field, query, up_to};
use crate::id::SessionId;
use crate::operations::entry::{Parameter, ParameterKind};
use crate::operations::input::{Input, Sent};
use crate::problem::Problem;
use crate::session::{ListedSession, SessionList, SessionView};

/// Which sessions a list has, and how much of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionQuery {
    /// At most so many, from 1 to [`Self::MOST`]; `None`: all.
    pub limit: Option<usize>,
    /// Only sessions that are younger than this one, which may be gone.
    pub after: Option<SessionId>,
    /// Each as a whole, too.
    pub full: bool,
}

impl SessionQuery {
    /// Largest limit.
    pub const MOST: usize = 1024;

    /// The page of `all` that this asks for. It makes views of no other sessions.
    pub fn page<T>(
        &self,
        all: impl Iterator<Item = (SessionId, T)>,
        view: impl Fn(T) -> SessionView,
    ) -> SessionList {
        let is_later = |(id, _): &(SessionId, T)| self.after.is_none_or(|after| *id > after);
        let mut left: Vec<_> = all.filter(is_later).collect();
        left.sort_by_key(|(id, _)| *id);
        let limit = self.limit.unwrap_or(left.len());
        let last = limit.checked_sub(1).and_then(|at| left.get(at));
        let next = last.filter(|_| left.len() > limit).map(|(id, _)| *id);
        let listed = |(_, session)| {
            let view = view(session);
            let listed = ListedSession::from(&view);
            let view = self.full.then(|| Box::new(view));
            ListedSession { view, ..listed }
        };
        let sessions = left.into_iter().take(limit).map(listed).collect();
        SessionList { sessions, next }
    }
}

/// The query of `GET /v1/sessions`, not parsed yet.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SessionFields {
    limit: Option<String>,
    after: Option<String>,
    full: Option<String>,
}

impl Input for SessionQuery {
    type Document = SessionFields;
    const IS_BODY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[
        Parameter::query(
            "limit",
            ParameterKind::UpTo(Self::MOST),
            "Maximum number; the oldest ones. All when absent.",
        ),
        Parameter::query(
            "after",
            ParameterKind::Name,
            "`next` of the page before: only sessions younger than that id.",
        ),
        Parameter::query(
            "full",
            ParameterKind::Flag,
            "Each session with its whole `view`.",
        ),
    ];

    fn accept(fields: SessionFields) -> Result<Self, Problem> {
        let full = field("full", fields.full, |text| match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(format!("{text:?} is neither true nor false")),
        })?;
        Ok(Self {
            limit: field("limit", fields.limit, up_to(Self::MOST))?,
            after: field("after", fields.after, str::parse)?,
            full: full.unwrap_or_default(),
        })
    }

    fn sent(&self) -> Sent {
        query([
            ("limit", self.limit.map(|it| it.to_string())),
            ("after", self.after.map(|it| it.to_string())),
            ("full", self.full.then(|| "true".to_owned())),
        ])
    }
}
