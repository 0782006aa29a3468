//! Certificates and recordings, as the daemon keeps them.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use onair_api::operations::{
    CertificateQuery, ListCertificates, ListRecordings, RecordingQuery, ShowKeptCertificate,
    ShowRecording,
};
use onair_api::{Operation, RecordingId, RecordingRef, SessionRef, Timestamp};
use onair_control::Answer;
use serde::Deserialize;
use serde_json::Value;

use super::{Refusal, Site};

/// Certificates of one answer.
const MOST: usize = 200;
/// The daemon reads them from its disk.
const LONGER: Duration = Duration::from_secs(10);

/// A search; what is empty is not asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Search {
    session: String,
    operation: Option<Operation>,
    /// RFC 3339.
    since: Option<Timestamp>,
}

fn reference(text: &str) -> Result<SessionRef, Refusal> {
    let parsed = text.parse::<SessionRef>();
    parsed.map_err(|it| Refusal::new(StatusCode::BAD_REQUEST, it.to_string()))
}

/// The newest certificates that a search finds.
pub(super) async fn certificates(
    State(site): State<Site>,
    Query(search): Query<Search>,
) -> Result<Json<Value>, Refusal> {
    let session = match search.session.trim() {
        "" => None,
        text => Some(reference(text)?),
    };
    let query = CertificateQuery {
        session,
        operation: search.operation,
        since: search.since,
        limit: Some(MOST),
    };
    let sent = onair_api::operations::Input::sent(&query);
    let list = site
        .client
        .send::<ListCertificates>(&(), sent, LONGER)
        .await;
    Ok(Json(list.map(|it: Answer<_>| it.value)?))
}

/// One certificate.
pub(super) async fn certificate(
    State(site): State<Site>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let target = reference(&id)?;
    let answer = site.client.call::<ShowKeptCertificate>(&target, &()).await;
    Ok(Json(answer?.value))
}

/// Recordings, oldest first.
pub(super) async fn recordings(State(site): State<Site>) -> Result<Json<Value>, Refusal> {
    let query = RecordingQuery::default();
    let answer = site.client.call::<ListRecordings>(&(), &query).await;
    Ok(Json(answer?.value))
}

/// One recording, with its first gaps.
pub(super) async fn recording(
    State(site): State<Site>,
    Path(id): Path<RecordingId>,
) -> Result<Json<Value>, Refusal> {
    let answer = site
        .client
        .call::<ShowRecording>(&RecordingRef::Id(id), &())
        .await?;
    Ok(Json(answer.value))
}
