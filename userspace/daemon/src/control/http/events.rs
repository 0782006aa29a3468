//! `/v1/events`: server-sent events (HTML Standard, section 9.2).

use std::collections::BTreeSet;
use std::convert::Infallible;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Query, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use onair_types::{Event, EventName, Problem, ProblemCode, SessionRef, SpecError};

use super::refusal::{OfEvents, Refusal};
use super::router::Api;
use crate::authority::Right;
use crate::events::{LastSeen, Subscription};
use crate::peer::Peer;

/// The header with the last event that the reader has (HTML Standard, section 9.2.4).
const LAST_EVENT_ID: &str = "last-event-id";

/// Follows the events.
///
/// Server-sent events: `id`, `event` (the kind) and `data` (an `Event` in JSON, on one line). With
/// `Last-Event-ID`, the stream starts with the later events that are still kept (up to 1024); `0`
/// gives all of them. A reader that may not read every session gets the events of its own sessions,
/// and none about the daemon. A reader that is too slow loses its oldest events, and gets a `lost`
/// in their place, which has no `id`. The stream ends when the daemon does.
#[utoipa::path(get, path = "/v1/events", tag = "daemon", operation_id = "follow_events",
    params(
        ("session" = Option<String>, Query, pattern = "^[a-z0-9][a-z0-9._-]{0,62}$",
            description = "Only events of this session: an id or a name."),
        ("kind" = Option<Vec<EventName>>, Query, explode = true,
            description = "Only events of these kinds; repeat it, or separate with commas."),
        ("Last-Event-ID" = Option<String>, Header,
            description = "`id` of the last event that the reader has.")),
    responses((status = 200, description = "Events, without end.", body = Event,
        content_type = "text/event-stream"), OfEvents))]
pub(super) async fn follow(
    State(api): State<Api>,
    Extension(peer): Extension<Peer>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let caller = api.authority.admit(&peer, Right::Read)?;
    let Query(query) = query.map_err(|e| wrong("query", e.body_text()))?;
    let (session, kinds) = wanted(query)?;
    let after = match headers.get(LAST_EVENT_ID) {
        None => None,
        Some(id) => Some(last_seen(id)?),
    };
    let subscription = api.handle.subscribe(caller, session, kinds, after).await?;
    let events = stream::unfold(subscription, |mut subscription| async {
        let event = subscription.next().await?;
        Some((message(&subscription, &event), subscription))
    });
    let comments = KeepAlive::new().interval(api.limits.keep_alive);
    // The connection of a stream is not reused for another request.
    let close = [(header::CONNECTION, HeaderValue::from_static("close"))];
    Ok((close, Sse::new(events).keep_alive(comments)).into_response())
}

fn message(of: &Subscription, event: &Event) -> Result<sse::Event, Infallible> {
    let name = event.kind.name();
    let data = serde_json::to_string(event).expect("an event's maps have text keys");
    let message = sse::Event::default().event(name.as_str()).data(data);
    // A reader that reconnects after a loss asks for the lost events, too: some of them may still
    // be kept.
    Ok(if name == EventName::Lost {
        message
    } else {
        let id = LastSeen {
            incarnation: Some(of.incarnation()),
            sequence: event.sequence,
        };
        message.id(id.to_string())
    })
}

fn wanted(
    query: Vec<(String, String)>,
) -> Result<(Option<SessionRef>, BTreeSet<EventName>), Refusal> {
    let mut session = None;
    let mut kinds = BTreeSet::new();
    for (key, value) in query {
        match key.as_str() {
            "session" if session.is_some() => return Err(wrong("session", "given twice")),
            "session" => {
                let named = value.parse::<SessionRef>();
                session = Some(named.map_err(|e| wrong("session", e.to_string()))?);
            }
            "kind" => {
                for kind in value.split(',') {
                    let named = kind.parse::<EventName>();
                    kinds.insert(named.map_err(|e| wrong("kind", e.to_string()))?);
                }
            }
            other => {
                let other: String = other.chars().take(40).collect();
                let problem = format!("{other:?} is unknown: give session or kind");
                return Err(wrong("query", problem));
            }
        }
    }
    Ok((session, kinds))
}

fn last_seen(id: &HeaderValue) -> Result<LastSeen, Refusal> {
    let text = id.to_str().unwrap_or_default();
    text.parse()
        .map_err(|e| wrong("Last-Event-ID", format!("{e}")))
}

fn wrong(field: &str, problem: impl Into<String>) -> Refusal {
    let error = SpecError::new(field, problem);
    Problem::new(ProblemCode::InvalidRequest, error.to_string())
        .with_errors(vec![error])
        .into()
}
