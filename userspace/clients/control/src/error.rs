//! Why a request has no document as its answer.

use std::path::PathBuf;
use std::time::Duration;

use onair_api::Problem;

use crate::reach;

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The connection to the socket failed.
    #[error("cannot reach the daemon at {}: {error}: {}", socket.display(), reach::advice(error, socket))]
    Unreachable {
        /// The control socket.
        socket: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The daemon accepted the connection and did not answer in time.
    #[error(
        "the daemon at {} did not answer within {}: read its log, or wait longer",
        socket.display(),
        humantime::format_duration(*timeout)
    )]
    NoAnswer {
        /// The control socket.
        socket: PathBuf,
        /// How long was waited.
        timeout: Duration,
    },
    /// The connection broke before the answer.
    #[error("the daemon at {} closed the connection before it answered: {error}", socket.display())]
    Broken {
        /// The control socket.
        socket: PathBuf,
        /// How.
        error: hyper::Error,
    },
    /// The event stream ended.
    #[error("the daemon at {} has ended, and the events with it", socket.display())]
    Ended {
        /// The control socket.
        socket: PathBuf,
    },
    /// The daemon refused the request.
    #[error("{0}")]
    Refused(Box<Problem>),
    /// The answer does not match this API.
    #[error(
        "the answer does not match this API ({0}): check that onaird of this version listens on the socket"
    )]
    Alien(String),
    /// The id to start after is none.
    #[error("{0:?} is not an event id")]
    EventId(String),
}

impl ControlError {
    /// Whether no daemon answers now. A later attempt may succeed.
    #[must_use]
    pub const fn is_unreachable(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::NoAnswer { .. }
                | Self::Broken { .. }
                | Self::Ended { .. }
        )
    }

    /// The daemon's reason, if it refused.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Refused(problem) => Some(problem),
            _ => None,
        }
    }
}
