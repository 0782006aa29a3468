//! Pictures and levels of the tiles that a viewer has on its screen, in one answer.
//!
//! The viewer asks again once it has shown them: so the rate is what its link and its browser carry, and never more than
//! it wants. Of each look: the length of its head, the head in JSON, the length of the picture, the picture; lengths are
//! 4 bytes, big endian.

use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use onair_api::SessionId;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::{Refusal, Site};
use crate::daemon::way;
use crate::looks::{Look, LookContent, Wish};

/// Longest wait for a new look.
const WAIT: Duration = Duration::from_secs(2);
/// Looks that are made within this time come in one answer.
const TOGETHER: Duration = Duration::from_millis(30);
/// Sessions of one request.
const MOST: usize = 100;

#[derive(Debug, Deserialize)]
pub(super) struct Fields {
    /// Ids with commas between them.
    ids: String,
    /// Pixels in a line.
    width: u16,
    /// Milliseconds from one look to the next.
    every: u64,
    /// The number of the last look that the viewer has.
    after: u64,
}

#[derive(Serialize)]
struct Head<'a> {
    id: SessionId,
    sequence: u64,
    #[serde(flatten)]
    seen: &'a LookContent,
}

pub(super) async fn looks(
    State(site): State<Site>,
    Query(fields): Query<Fields>,
) -> Result<impl IntoResponse, Refusal> {
    let wrong = |_| Refusal::new(StatusCode::BAD_REQUEST, "ids are 16 hex digits each");
    let ids = fields.ids.split(',').filter(|it| !it.is_empty());
    let ids: Vec<SessionId> = ids
        .map(str::parse)
        .collect::<Result<_, _>>()
        .map_err(wrong)?;
    if ids.len() > MOST {
        let error = format!("give at most {MOST} ids");
        return Err(Refusal::new(StatusCode::BAD_REQUEST, error));
    }
    let wish = Wish::within(fields.width, Duration::from_millis(fields.every));
    let facts = site.daemon.facts();
    let sessions = facts.iter().flat_map(|it| &it.sessions);
    let wanted: Vec<_> = sessions
        .filter(|it| !site.is_remote && ids.contains(&it.id))
        .filter_map(|it| Some((it.id, way(it)?)))
        .collect();
    site.looks.want(&wanted, wish);
    let shown: Vec<_> = wanted.into_iter().map(|(id, _)| id).collect();
    let (mut newest, until) = (site.looks.newest(), Instant::now() + WAIT);
    loop {
        newest.mark_unchanged();
        if !site.looks.after(&shown, fields.after).is_empty() {
            sleep_until((Instant::now() + TOGETHER).min(until)).await;
            break;
        }
        if timeout_at(until, newest.changed()).await.is_err() {
            break;
        }
    }
    let mut body = Vec::new();
    for look in site.looks.after(&shown, fields.after) {
        write(&mut body, &look);
    }
    Ok(([(CONTENT_TYPE, "application/octet-stream")], body))
}

fn write(body: &mut Vec<u8>, look: &Look) {
    let head = Head {
        id: look.session,
        sequence: look.sequence,
        seen: &look.seen,
    };
    let head = serde_json::to_vec(&head).unwrap_or_default();
    for part in [&head[..], &look.jpeg] {
        let length = u32::try_from(part.len()).unwrap_or(0);
        body.extend(length.to_be_bytes());
        body.extend(part);
    }
}
