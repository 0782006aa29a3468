//! Answers that are more than a document of the actor: another status, a header, a fixed text.

use std::fmt::Display;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use onair_types::api::{
    ApiOperation as _, CreateSession, DescribeSession, ListProblems, ListRecordings, ListSessions,
    ShowHealth, ShowOpenapi, ShowPicture, ShowProblem, StartRecording,
};
use onair_types::{Health, ProblemCode, ProblemPage};
use serde::Serialize;

use super::admitted::Admitted;
use super::api::Api;
use super::refusal::Refusal;

/// The new session, and its path.
pub(super) async fn session(
    State(api): State<Api>,
    admitted: Admitted<CreateSession>,
) -> Result<Response, Refusal> {
    let view = admitted.ask::<CreateSession>(&api).await?;
    Ok(created(ListSessions::ENTRY.path, view.id, &view))
}

/// The new recording, and its path.
pub(super) async fn recording(
    State(api): State<Api>,
    admitted: Admitted<StartRecording>,
) -> Result<Response, Refusal> {
    let view = admitted.ask::<StartRecording>(&api).await?;
    Ok(created(ListRecordings::ENTRY.path, view.id, &view))
}

fn created(folder: &str, id: impl Display, view: &impl Serialize) -> Response {
    let place = HeaderValue::try_from(format!("{folder}/{id}"));
    let place = place.expect("hex digits are a header's value");
    (StatusCode::CREATED, [(header::LOCATION, place)], Json(view)).into_response()
}

/// The health; its status says whether the daemon is ready.
pub(super) async fn health(
    State(api): State<Api>,
    admitted: Admitted<ShowHealth>,
) -> Result<(StatusCode, Json<Health>), Refusal> {
    let health = admitted.ask::<ShowHealth>(&api).await?;
    let status = if health.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    Ok((status, Json(health)))
}

/// The description of the API.
pub(super) async fn openapi(State(api): State<Api>, _: Admitted<ShowOpenapi>) -> Response {
    let json = HeaderValue::from_static(ShowOpenapi::ENTRY.media_type);
    ([(header::CONTENT_TYPE, json)], api.openapi).into_response()
}

/// A session description.
pub(super) async fn sdp(
    State(api): State<Api>,
    admitted: Admitted<DescribeSession>,
) -> Result<Response, Refusal> {
    let text = admitted.ask::<DescribeSession>(&api).await?;
    let kind = HeaderValue::from_static(DescribeSession::ENTRY.media_type);
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

/// A picture of a session.
pub(super) async fn picture(
    State(api): State<Api>,
    admitted: Admitted<ShowPicture>,
) -> Result<Response, Refusal> {
    let png = admitted.ask::<ShowPicture>(&api).await?;
    let kind = HeaderValue::from_static(ShowPicture::ENTRY.media_type);
    // The next one is another frame.
    let fresh = HeaderValue::from_static("no-store");
    let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, fresh)];
    Ok((headers, png).into_response())
}

/// Every problem code.
pub(super) async fn problems(_: Admitted<ListProblems>) -> Json<Vec<ProblemPage>> {
    Json(ProblemCode::ALL.iter().map(|&code| code.into()).collect())
}

/// One problem code: the target of a problem's `type`.
pub(super) async fn problem(admitted: Admitted<ShowProblem>) -> Result<Json<ProblemPage>, Refusal> {
    let word = admitted.target;
    let code = ProblemCode::ALL.iter().find(|code| code.as_str() == word);
    let word: String = word.chars().take(40).collect();
    code.map(|&code| Json(code.into())).ok_or_else(|| {
        Refusal::new(
            ProblemCode::NotFound,
            format!("{word:?} is not a problem code; GET /v1/problems lists them"),
        )
    })
}
