//! Recordings: `/v1/sessions/{id}/recordings` and `/v1/recordings`.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use onair_types::{
    Problem, ProblemCode, RecordingList, RecordingSpec, RecordingView, SessionRef, SpecError,
};
use serde::Deserialize;

use super::body::{Document, NoBody};
use super::refusal::{OfAll, OfRecord, OfRecording, OfRecordingStop, Refusal};
use super::router::Api;
use super::which::{OfRecordingPath, OfSession, Which, WhichRecording};
use crate::authority::Right;
use crate::peer::Peer;

/// Records a session.
///
/// The answer comes once the recording takes packets; earlier packets are not in it. The recording
/// continues while the session is stopped and started. It ends on request, by its duration or size,
/// or with its session. Its files have its name, with `.part` appended while they are written; the
/// manifest `NAME.json` is beside them. The daemon never removes ended recordings: the operator
/// does.
#[utoipa::path(post, path = "/v1/sessions/{id}/recordings", tag = "recordings",
    operation_id = "start_recording",
    params(OfSession),
    request_body = RecordingSpec,
    responses((status = 201, description = "The recording.", body = RecordingView,
        headers(("Location" = String, description = "Its path."))), OfRecord))]
pub(super) async fn start(
    State(api): State<Api>,
    Extension(peer): Extension<Peer>,
    Which(session): Which,
    Document(spec): Document<RecordingSpec>,
) -> Result<Response, Refusal> {
    let caller = api.authority.admit(&peer, Right::Record)?;
    let _operation = api.shutdown.begin_operation()?;
    let errors = spec.check();
    if let Some(first) = errors.first() {
        let detail = match errors.as_slice() {
            [_] => first.to_string(),
            many => {
                let fields: Vec<_> = many.iter().map(|it| it.field.as_str()).collect();
                format!("{} invalid fields: {}", many.len(), fields.join(", "))
            }
        };
        let problem = Problem::new(ProblemCode::InvalidRequest, detail);
        return Err(problem.with_errors(errors).into());
    }
    let view = api.handle.record(caller, session, spec).await?;
    let place = HeaderValue::try_from(format!("/v1/recordings/{}", view.id))
        .expect("hex digits are a header's value");
    Ok((StatusCode::CREATED, [(header::LOCATION, place)], Json(view)).into_response())
}

/// The list parameters, not parsed yet.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Parameters {
    session: Option<String>,
}

/// Lists recordings that run, and ended ones: the newest thousand since the daemon's start, or
/// found in the folder then.
#[utoipa::path(get, path = "/v1/recordings", tag = "recordings", operation_id = "list_recordings",
    params(("session" = Option<String>, Query, description = "A session's name or id.")),
    responses((status = 200, description = "Recordings, oldest first.", body = RecordingList), OfAll))]
pub(super) async fn list(
    State(api): State<Api>,
    Extension(peer): Extension<Peer>,
    parameters: Result<Query<Parameters>, QueryRejection>,
) -> Result<Json<RecordingList>, Refusal> {
    api.authority.admit_all(&peer, Right::Read)?;
    let Query(parameters) =
        parameters.map_err(|e| Refusal::new(ProblemCode::InvalidRequest, e.body_text()))?;
    let session = parameters.session.map(|text| {
        text.parse::<SessionRef>().map_err(|error| {
            let error = SpecError::new("session", error.to_string());
            let problem = Problem::new(ProblemCode::InvalidRequest, error.to_string());
            Refusal(problem.with_errors(vec![error]))
        })
    });
    Ok(Json(api.handle.recordings(session.transpose()?).await?))
}

/// Shows one recording.
#[utoipa::path(get, path = "/v1/recordings/{id}", tag = "recordings", operation_id = "show_recording",
    params(OfRecordingPath),
    responses((status = 200, description = "The recording.", body = RecordingView), OfRecording))]
pub(super) async fn show(
    State(api): State<Api>,
    Extension(peer): Extension<Peer>,
    WhichRecording(recording): WhichRecording,
) -> Result<Json<RecordingView>, Refusal> {
    let caller = api.authority.admit(&peer, Right::Read)?;
    Ok(Json(api.handle.recording(caller, recording).await?))
}

/// Ends a recording.
///
/// It stops taking packets at once. The answer comes once its files are complete and on disk, or is
/// `deadline_passed` if that takes longer than `recorder.finish_ms`. No effect if the recording has
/// ended.
#[utoipa::path(post, path = "/v1/recordings/{id}/stop", tag = "recordings",
    operation_id = "stop_recording",
    params(OfRecordingPath),
    responses((status = 200, description = "The recording, ended.", body = RecordingView),
        OfRecordingStop))]
pub(super) async fn stop(
    State(api): State<Api>,
    Extension(peer): Extension<Peer>,
    WhichRecording(recording): WhichRecording,
    _: NoBody,
) -> Result<Json<RecordingView>, Refusal> {
    let caller = api.authority.admit(&peer, Right::Record)?;
    Ok(Json(api.handle.stop_recording(caller, recording).await?))
}
