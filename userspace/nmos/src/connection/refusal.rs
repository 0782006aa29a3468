//! Why a request of a controller is refused.

use std::sync::Arc;

use axum::http::StatusCode;
use onair_api::ProblemCode;
use onair_control::ControlError;
use onair_sdp::session::Unusable;

/// Why a request is refused.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refusal {
    /// The body is not what IS-05 says.
    #[error("{field}: {problem}")]
    Body {
        /// The path of the field.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The session description is not one of this receiver's format.
    #[error("transport_file: {0}")]
    File(Arc<Unusable>),
    /// An activation is scheduled.
    #[error(
        "an activation is scheduled: wait for it, or cancel it with an activation whose mode is null"
    )]
    Locked,
    /// A scheduled activation is carried out.
    #[error("a scheduled activation is about to happen: it cannot be cancelled any more")]
    Begun,
    /// There is no such resource.
    #[error("there is no {0}")]
    NotFound(String),
    /// The resource has no such method.
    #[error("the method is not one of this resource")]
    Method,
    /// This process failed.
    #[error("this failed: read the log of onair-nmos")]
    Failed,
    /// The daemon does not do it.
    #[error("{0}")]
    Daemon(Arc<ControlError>),
}

impl From<Unusable> for Refusal {
    fn from(file: Unusable) -> Self {
        Self::File(Arc::new(file))
    }
}

impl From<ControlError> for Refusal {
    fn from(error: ControlError) -> Self {
        Self::Daemon(Arc::new(error))
    }
}

impl Refusal {
    /// That `field` is wrong.
    pub(super) fn body(field: impl Into<String>, problem: impl Into<String>) -> Self {
        let (field, problem) = (field.into(), problem.into());
        Self::Body { field, problem }
    }

    /// What the daemon calls it, for programmers.
    #[must_use]
    pub fn debug(&self) -> Option<String> {
        match self {
            Self::Daemon(error) => error.problem().map(|it| it.kind.to_string()),
            _ => None,
        }
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Body { .. } | Self::File(_) => StatusCode::BAD_REQUEST,
            Self::Locked | Self::Begun => StatusCode::LOCKED,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Failed => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Daemon(error) if error.is_unreachable() => StatusCode::SERVICE_UNAVAILABLE,
            Self::Daemon(error) => match error.problem().map(|it| it.code) {
                Some(
                    ProblemCode::InvalidSpec | ProblemCode::FlowConflict | ProblemCode::NoPackets,
                ) => StatusCode::BAD_REQUEST,
                // Whose right is missing, or what state the session is in, is the daemon's to say.
                Some(code) => {
                    StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
                }
                None => StatusCode::INTERNAL_SERVER_ERROR,
            },
        }
    }
}
