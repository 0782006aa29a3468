//! The subject of a request: the `{id}` of its path, and the `{attachment}`.

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use onair_types::{ProblemCode, RecordingError, RecordingRef, SessionRef};
use utoipa::IntoParams;

use super::refusal::Refusal;

/// A session, by its id or its name.
pub(super) struct Which(pub(super) SessionRef);

/// One client on a session.
pub(super) struct WhichAttachment(pub(super) SessionRef, pub(super) u64);

/// A recording, by its id or its name.
pub(super) struct WhichRecording(pub(super) RecordingRef);

/// [`Which`] in the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it documents the path")]
pub(super) struct OfSession {
    /// A session's id or name.
    #[param(pattern = "^[a-z0-9][a-z0-9._-]{0,62}$")]
    id: String,
}

/// [`WhichAttachment`] in the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it documents the path")]
pub(super) struct OfAttachment {
    /// A session's id or name.
    #[param(pattern = "^[a-z0-9][a-z0-9._-]{0,62}$")]
    id: String,
    /// An attachment's number.
    attachment: u64,
}

/// [`WhichRecording`] in the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it documents the path")]
pub(super) struct OfRecordingPath {
    /// A recording's id, or a name: the last of that name.
    #[param(pattern = "^[a-z0-9][a-z0-9._-]{0,62}$")]
    id: String,
}

fn invalid(detail: impl Into<String>) -> Refusal {
    Refusal::new(ProblemCode::InvalidRequest, detail)
}

fn session(text: &str) -> Result<SessionRef, Refusal> {
    text.parse()
        .map_err(|error: onair_types::id::IdError| invalid(error.to_string()))
}

fn unreadable(rejection: PathRejection) -> Refusal {
    invalid(rejection.body_text())
}

impl<S: Send + Sync> FromRequestParts<S> for Which {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        session(&path.map_err(unreadable)?).map(Self)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for WhichAttachment {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Path((text, number)) = path.map_err(unreadable)?;
        let number = number
            .parse()
            .map_err(|_| invalid(format!("{number:?} is not an attachment's number")))?;
        Ok(Self(session(&text)?, number))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for WhichRecording {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let Path(text) = path.map_err(unreadable)?;
        let recording = text.parse::<RecordingRef>();
        recording
            .map(Self)
            .map_err(|error: RecordingError| invalid(error.to_string()))
    }
}
