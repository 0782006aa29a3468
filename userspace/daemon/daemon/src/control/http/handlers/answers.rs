//! Answers that are more than a document of the actor: another status, a header, a fixed text.

use std::fmt::Display;
use std::time::Instant;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use onair_api::operations::{
    ApiOperation, CreateGroup, CreateSession, Input as _, ListGroups, ListProblems, ListRecordings,
    ListSessions, ShowHealth, ShowOpenapi, ShowPicture, ShowProblem, StartRecording,
};
use onair_api::{Health, ProblemCode, ProblemPage, SessionView};
use onair_engine::inputs::{Action, Asked};
use onair_settings::access::etag::etag;
use serde::Serialize;

use crate::control::http::api::Api;
use crate::control::http::refusal::Refusal;
use crate::control::http::replay::{self, Created, Key};
use crate::control::http::request::admitted::Admitted;

/// The new session, and its path.
pub(crate) async fn session(
    State(api): State<Api>,
    headers: HeaderMap,
    admitted: Admitted<CreateSession>,
) -> Result<Created, Refusal> {
    create(api, &headers, admitted, |view: &SessionView| {
        let etag = Some(etag(view));
        created(ListSessions::ENTRY.path, view.id, etag, view)
    })
    .await
}

/// The new group, and its path.
pub(crate) async fn group(
    State(api): State<Api>,
    headers: HeaderMap,
    admitted: Admitted<CreateGroup>,
) -> Result<Created, Refusal> {
    create(api, &headers, admitted, |view| {
        created(ListGroups::ENTRY.path, &view.name, None, view)
    })
    .await
}

/// The new recording, and its path.
pub(crate) async fn recording(
    State(api): State<Api>,
    headers: HeaderMap,
    admitted: Admitted<StartRecording>,
) -> Result<Created, Refusal> {
    create(api, &headers, admitted, |view| {
        created(ListRecordings::ENTRY.path, view.id, None, view)
    })
    .await
}

/// Creates something, or gives the answer of the same request that came before.
async fn create<O: ApiOperation>(
    api: Api,
    headers: &HeaderMap,
    admitted: Admitted<O>,
    created: impl FnOnce(&O::Answer) -> Created + Send + 'static,
) -> Result<Created, Refusal>
where
    Action: From<Asked<O>>,
{
    let Some(key) = Key::of(headers, admitted.caller.who.uid)? else {
        return admitted.ask::<O>(&api).await.map(|answer| created(&answer));
    };
    let request = replay::Request {
        path: O::path(&admitted.target),
        input: admitted.input.sent(),
    };
    if let Some(answer) = api.replays.begin(&key, request, Instant::now())? {
        return Ok(answer);
    }
    // The answer is kept also if the requester does not wait for it.
    let task = tokio::spawn(async move {
        let answer = admitted.ask::<O>(&api).await;
        let answer = answer.map(|answer| created(&answer));
        api.replays.end(&key, answer.as_ref().ok());
        answer
    });
    task.await.unwrap_or_else(|_| {
        let detail = "the request was not carried out";
        Err(Refusal::new(ProblemCode::Internal, detail))
    })
}

fn created(folder: &str, id: impl Display, etag: Option<String>, view: &impl Serialize) -> Created {
    let document = serde_json::to_vec(view).expect("an answer's maps have text keys");
    Created {
        location: format!("{folder}/{id}"),
        etag,
        document: document.into(),
    }
}

/// The health; its status says whether the daemon is ready.
pub(crate) async fn health(
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
pub(crate) async fn openapi(State(api): State<Api>, _: Admitted<ShowOpenapi>) -> Response {
    let json = HeaderValue::from_static(ShowOpenapi::ENTRY.media_type);
    ([(header::CONTENT_TYPE, json)], api.openapi).into_response()
}

/// A text that the actor answers with.
pub(crate) async fn text<O>(
    State(api): State<Api>,
    admitted: Admitted<O>,
) -> Result<Response, Refusal>
where
    O: ApiOperation<Answer = String>,
    Action: From<Asked<O>>,
{
    let text = admitted.ask::<O>(&api).await?;
    let kind = HeaderValue::from_static(O::ENTRY.media_type);
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

/// A picture of a session.
pub(crate) async fn picture(
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
pub(crate) async fn problems(_: Admitted<ListProblems>) -> Json<Vec<ProblemPage>> {
    Json(ProblemCode::ALL.iter().map(|&code| code.into()).collect())
}

/// One problem code: the target of a problem's `type`.
pub(crate) async fn problem(admitted: Admitted<ShowProblem>) -> Result<Json<ProblemPage>, Refusal> {
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
