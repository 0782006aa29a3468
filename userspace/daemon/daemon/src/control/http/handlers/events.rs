//! `/v1/events`: server-sent events (HTML Standard, section 9.2).

use std::convert::Infallible;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, StreamExt as _};
use onair_api::operations::FollowEvents;
use onair_api::{Event, EventName, Problem, SpecError};
use onair_engine::events::LastSeen;
use onair_engine::inputs::Action;

use crate::control::http::api::Api;
use crate::control::http::refusal::Refusal;
use crate::control::http::request::admitted::Admitted;

/// The header with the last event that the reader has (HTML Standard, section 9.2.4).
const LAST_EVENT_ID: &str = "last-event-id";

/// Sends the events until the daemon or the reader ends.
pub(crate) async fn follow(
    State(api): State<Api>,
    headers: HeaderMap,
    admitted: Admitted<FollowEvents>,
) -> Result<Response, Refusal> {
    let (caller, query) = (admitted.caller, admitted.input);
    let after = match headers.get(LAST_EVENT_ID) {
        None => None,
        Some(id) => Some(last_seen(id)?),
    };
    let subscribe = |reply| Action::Subscribe {
        caller,
        query,
        after,
        reply,
    };
    let subscription = api.handle.send(subscribe).await?;
    let begins = subscription.begins();
    // Without data it is no event to a reader, but what it asks for when it reconnects.
    let first = sse::Event::default().id(begins.to_string());
    let events = stream::unfold(subscription, move |mut subscription| async move {
        let event = subscription.next().await?;
        Some((message(begins, &event), subscription))
    });
    let events = stream::once(async { Ok(first) }).chain(events);
    let comments = KeepAlive::new().interval(api.limits.keep_alive);
    // The connection of a stream is not reused for another request.
    let close = [(header::CONNECTION, HeaderValue::from_static("close"))];
    Ok((close, Sse::new(events).keep_alive(comments)).into_response())
}

fn message(begins: LastSeen, event: &Event) -> Result<sse::Event, Infallible> {
    let name = event.kind.name();
    let data = serde_json::to_string(event).expect("an event's maps have text keys");
    let message = sse::Event::default().event(name.as_str()).data(data);
    // A reader that reconnects after a loss asks for the lost events, too: some of them may still
    // be kept.
    Ok(if name == EventName::Lost {
        message
    } else {
        let id = LastSeen {
            sequence: event.sequence,
            ..begins
        };
        message.id(id.to_string())
    })
}

fn last_seen(id: &HeaderValue) -> Result<LastSeen, Refusal> {
    let text = id.to_str().unwrap_or_default();
    let seen = text.parse::<LastSeen>();
    seen.map_err(|e| Problem::from(SpecError::new("Last-Event-ID", e.to_string())).into())
}
