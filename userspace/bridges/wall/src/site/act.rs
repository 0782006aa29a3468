//! Actions: each is one request to the daemon, which decides about it.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use onair_api::operations::{
    ApiOperation, DestroySessionWait, DestroyWait, EvictAttachment, Input as _, RetargetSession,
    StartRecording, StartSession, StopRecording, StopSession,
};
use onair_api::{
    FlowPatch, RecordingFormat, RecordingId, RecordingRef, RecordingSpec, SessionId, SessionPatch,
    SessionRef,
};
use serde::Deserialize;
use serde_json::Value;

use super::{Refusal, Site, login};
use crate::users::Role;

/// The header with the login's token.
const TOKEN: &str = "x-onair-token";
/// Longest wait of a destroy for the users to leave, in ms.
const LONGEST_MS: u64 = 60_000;
/// The daemon writes to its disk.
const LONGER: Duration = Duration::from_secs(15);

/// An action of a viewer.
#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Act {
    Stop {
        session: SessionId,
    },
    Start {
        session: SessionId,
    },
    Retarget {
        session: SessionId,
        destination: String,
    },
    Record {
        session: SessionId,
        duration_ms: u64,
    },
    StopRecording {
        recording: RecordingId,
    },
    Evict {
        session: SessionId,
        attachment: u64,
    },
    Destroy {
        session: SessionId,
        deadline_ms: u64,
    },
}

impl Act {
    const fn needs(&self) -> Role {
        match self {
            Self::Stop { .. }
            | Self::Start { .. }
            | Self::Retarget { .. }
            | Self::Record { .. }
            | Self::StopRecording { .. } => Role::Operate,
            Self::Evict { .. } | Self::Destroy { .. } => Role::Admin,
        }
    }
}

pub(super) async fn act(
    State(site): State<Site>,
    headers: HeaderMap,
    Json(act): Json<Act>,
) -> Result<Json<Value>, Refusal> {
    let forbidden = |error: &str| Refusal::new(StatusCode::FORBIDDEN, error);
    let user = login::user(&site, &headers).ok_or_else(|| forbidden("log in first"))?;
    let token = headers.get(TOKEN).map(|it| it.as_bytes());
    if token != Some(user.csrf.as_bytes()) {
        return Err(forbidden(
            "the login's token is not in the header: load the page again",
        ));
    }
    if user.role < act.needs() {
        return Err(forbidden("your role does not let you do this"));
    }
    tracing::info!(user = user.name, ?act, "acts");
    let session = SessionRef::from;
    match act {
        Act::Stop { session: id } => ask::<StopSession>(&site, &session(id), &()).await,
        Act::Start { session: id } => ask::<StartSession>(&site, &session(id), &()).await,
        Act::Retarget {
            session: id,
            destination,
        } => {
            let patch = SessionPatch {
                flow: FlowPatch {
                    destination: Some(destination),
                    ..FlowPatch::default()
                },
                ..SessionPatch::default()
            };
            ask::<RetargetSession>(&site, &session(id), &Box::new(patch)).await
        }
        Act::Record {
            session: id,
            duration_ms,
        } => {
            let spec = RecordingSpec {
                duration_ms: Some(duration_ms),
                ..RecordingSpec::new(RecordingFormat::Pcapng)
            };
            ask::<StartRecording>(&site, &session(id), &Box::new(spec)).await
        }
        Act::StopRecording { recording } => {
            ask::<StopRecording>(&site, &RecordingRef::Id(recording), &()).await
        }
        Act::Evict {
            session: id,
            attachment,
        } => ask::<EvictAttachment>(&site, &(session(id), attachment), &()).await,
        Act::Destroy {
            session: id,
            deadline_ms,
        } => {
            let deadline_ms = deadline_ms.min(LONGEST_MS);
            let wait = DestroyWait { deadline_ms };
            let extra = LONGER + Duration::from_millis(deadline_ms);
            let sent = wait.sent();
            let target = session(id);
            let answer = site
                .client
                .send::<DestroySessionWait>(&target, sent, extra)
                .await;
            Ok(Json(answer?.value))
        }
    }
}

async fn ask<O: ApiOperation>(
    site: &Site,
    target: &O::Target,
    input: &O::Input,
) -> Result<Json<Value>, Refusal> {
    let answer = site.client.send::<O>(target, input.sent(), LONGER).await;
    Ok(Json(answer?.value))
}
