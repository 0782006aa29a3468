//! Failures of a command and their exit codes. How a failure is told is in `report`.

pub(crate) mod export;
pub(crate) mod pipe;
mod reach;
pub(crate) mod upgrade;

use std::path::PathBuf;
use std::time::Duration;

use onair_api::{Problem, ProblemCode};

use self::export::ExportError;
use self::pipe::PipeFailure;
use self::upgrade::UpgradeError;
use crate::capture::CaptureError;
use crate::render;

/// Success.
pub(crate) const DONE: u8 = 0;
/// Refused or failed.
pub(crate) const REFUSED: u8 = 1;
/// Wrong usage.
pub(crate) const USAGE: u8 = 2;
/// The daemon cannot be reached or does not answer.
pub(crate) const UNREACHABLE: u8 = 3;
/// The session is in use.
pub(crate) const BUSY: u8 = 4;
/// No such session or recording, or it is gone.
pub(crate) const ABSENT: u8 = 5;

/// A certificate is invalid.
pub(crate) const FORGED: u8 = 6;
/// A recording has ended, and packets are missing in it.
pub(crate) const INCOMPLETE: u8 = 7;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The connection to the socket failed.
    #[error("cannot reach the daemon at {}: {error}: {}", socket.display(), reach::advice(error, socket))]
    Unreachable {
        socket: PathBuf,
        error: std::io::Error,
    },
    /// The daemon accepted the connection and did not answer in time.
    #[error(
        "the daemon at {} did not answer within {}: read its log, or set a longer --timeout",
        socket.display(),
        render::human(*timeout)
    )]
    NoAnswer { socket: PathBuf, timeout: Duration },
    /// The daemon's program cannot be run.
    #[error("cannot run {}: {error}: install onaird in the same folder or in PATH", program.display())]
    NoDaemonProgram {
        program: PathBuf,
        error: std::io::Error,
    },
    /// The connection broke before the answer.
    #[error("the daemon at {} closed the connection before it answered: {error}", socket.display())]
    Broken {
        socket: PathBuf,
        error: hyper::Error,
    },
    /// The event stream ended.
    #[error("the daemon at {} has ended, and the events with it", socket.display())]
    Ended { socket: PathBuf },
    /// The daemon refused the request.
    #[error("{0}")]
    Refused(Box<Problem>),
    /// The answer does not match this API.
    #[error(
        "the answer does not match this API ({0}): check that onaird of this version listens on the socket"
    )]
    Alien(String),
    /// An input file is unusable.
    #[error("{0}")]
    Input(String),
    /// A capture file is unusable.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// A capture is not exported.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// No frames pass, or no more.
    #[error(transparent)]
    Pipe(#[from] PipeFailure),
    /// The installed program does not run.
    #[error(transparent)]
    Upgrade(#[from] UpgradeError),
    /// Some of several inputs failed, and the command is done with the others.
    #[error("{} inputs failed", failures.len())]
    Several {
        /// In the order of the inputs, one at least.
        failures: Vec<Failure>,
        /// The exit code, if it is not that of the last failure.
        code: Option<u8>,
    },
    /// Writing to standard output failed.
    #[error("cannot write: {0}")]
    Output(#[from] std::io::Error),
}

impl Failure {
    /// The exit code of this failure.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Unreachable { .. }
            | Self::NoAnswer { .. }
            | Self::Broken { .. }
            | Self::Ended { .. } => UNREACHABLE,
            Self::Input(_) | Self::Capture(_) => USAGE,
            Self::Export(error) => error.code(),
            Self::Pipe(failure) => failure.code(),
            Self::Upgrade(error) => error.code(),
            Self::Several { failures, code } => {
                code.unwrap_or_else(|| failures.last().map_or(REFUSED, Self::code))
            }
            Self::Alien(_) | Self::Output(_) | Self::NoDaemonProgram { .. } => REFUSED,
            Self::Refused(problem) => match problem.code {
                ProblemCode::Busy | ProblemCode::DeadlinePassed | ProblemCode::Quarantined => BUSY,
                ProblemCode::NoSuchSession
                | ProblemCode::NoSuchAttachment
                | ProblemCode::NoSuchRecording
                | ProblemCode::NoSuchGroup
                | ProblemCode::StaleSession
                | ProblemCode::NotFound => ABSENT,
                _ => REFUSED,
            },
        }
    }
}
