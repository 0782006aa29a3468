//! The stream of what changes.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use futures_util::stream::unfold;
use tokio::time::timeout;

use super::Site;

/// A viewer without news hears of the wall within this time: a connection that broke is found out.
const SILENCE: Duration = Duration::from_secs(15);
/// How long a browser waits before it connects again.
const RETRY: &[u8] = b"retry: 1000\n\n";

pub(super) async fn stream(State(site): State<Site>, headers: HeaderMap) -> impl IntoResponse {
    let last = headers.get("last-event-id");
    let reader = site.news.follow(last.and_then(|it| it.to_str().ok()));
    let first = futures_util::stream::once(async { Ok(Bytes::from_static(RETRY)) });
    let rest = unfold((reader, site.ending), async |(mut reader, mut ending)| {
        let news = tokio::select! {
            _ = ending.wait_for(|it| *it) => return None,
            it = timeout(SILENCE, reader.next()) => it,
        };
        let bytes = match news {
            Ok(bytes) => bytes?,
            Err(_) => Bytes::from_static(b":\n\n"),
        };
        Some((Ok::<_, Infallible>(bytes), (reader, ending)))
    });
    let body = Body::from_stream(futures_util::StreamExt::chain(first, rest));
    ([(CONTENT_TYPE, "text/event-stream")], body)
}
