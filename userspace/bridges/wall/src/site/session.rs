//! All that is known of a session.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use onair_api::operations::{ListBlockers, ShowSession, ShowVerdict};
use onair_api::{SessionId, SessionRef};
use serde_json::{Value, json};

use super::{Refusal, Site};

/// The session as the daemon shows it, its users and what its end would say, and its last hour.
pub(super) async fn session(
    State(site): State<Site>,
    Path(id): Path<SessionId>,
) -> Result<Json<Value>, Refusal> {
    let target = SessionRef::from(id);
    if site.daemon.facts().is_none() {
        let error = "the daemon has not answered yet: start onaird";
        return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, error));
    }
    let (view, blockers, verdict) = tokio::join!(
        site.client.call::<ShowSession>(&target, &()),
        site.client.call::<ListBlockers>(&target, &()),
        site.client.call::<ShowVerdict>(&target, &()),
    );
    // While it ends, the others may have no answer.
    let value = |it: Result<_, _>| it.map_or(Value::Null, |it: Value| it);
    let lines = match blockers.as_ref().map(|it| it.read()) {
        Ok(Ok(list)) => list.blockers.iter().map(ToString::to_string).collect(),
        _ => Vec::new(),
    };
    Ok(Json(json!({
        "view": view?.value,
        "users": lines,
        "blockers": value(blockers.map(|it| it.value)),
        "verdict": value(verdict.map(|it| it.value)),
        "history": site.daemon.history(id),
    })))
}
