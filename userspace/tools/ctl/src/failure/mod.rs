//! Failures of a command and their exit codes. How a failure is told is in `report`.

pub(crate) mod export;
pub(crate) mod pipe;

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use onair_api::{Problem, ProblemCode};
use onair_control::ControlError;
use onair_sdp::session::Unusable;

use self::export::ExportError;
use self::pipe::PipeFailure;
use crate::capture::CaptureError;

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
    /// A request failed.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// No daemon of another host.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The daemon's program cannot be run.
    #[error("cannot run {}: {error}: install onaird in the same folder or in PATH", program.display())]
    NoDaemonProgram { program: PathBuf, error: io::Error },
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
    Output(#[from] io::Error),
}

impl From<Unusable> for Failure {
    fn from(description: Unusable) -> Self {
        Self::Input(description.to_string())
    }
}

impl From<Box<Problem>> for Failure {
    fn from(problem: Box<Problem>) -> Self {
        ControlError::Refused(problem).into()
    }
}

impl Failure {
    /// The daemon's reason, if it refused.
    pub(crate) fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Control(failure) => failure.problem(),
            _ => None,
        }
    }

    /// The exit code of this failure.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Control(failure) if failure.is_unreachable() => UNREACHABLE,
            Self::Input(_) | Self::Capture(_) => USAGE,
            Self::Host(error) => error.code(),
            Self::Export(error) => error.code(),
            Self::Pipe(failure) => failure.code(),
            Self::Upgrade(error) => error.code(),
            Self::Several { failures, code } => {
                code.unwrap_or_else(|| failures.last().map_or(REFUSED, Self::code))
            }
            Self::Control(ControlError::EventId(_)) => USAGE,
            Self::Output(_) | Self::NoDaemonProgram { .. } => REFUSED,
            Self::Control(failure) => match failure.problem().map(|it| it.code) {
                Some(
                    ProblemCode::Busy | ProblemCode::DeadlinePassed | ProblemCode::Quarantined,
                ) => BUSY,
                Some(
                    ProblemCode::NoSuchSession
                    | ProblemCode::NoSuchAttachment
                    | ProblemCode::NoSuchRecording
                    | ProblemCode::NoSuchGroup
                    | ProblemCode::StaleSession
                    | ProblemCode::NotFound,
                ) => ABSENT,
                _ => REFUSED,
            },
        }
    }
}

/// Why the installed program does not run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpgradeError {
    #[error("the installed {} does not start: {text}: nothing has changed; install the package again", program.display())]
    Program { program: PathBuf, text: String },
    #[error(
        "the installed onaird refuses the configuration: {0}: nothing has changed; change the file"
    )]
    Configuration(String),
    #[error(
        "onaird {0} runs, which cannot be replaced by another process: systemctl restart onaird"
    )]
    TooOld(String),
    #[error(
        "nothing has changed: {0} on air; to take {them} off air: onairctl upgrade --stop-sessions",
        them = if *.1 == 1 { "it" } else { "them" }
    )]
    OnAir(String, usize),
    #[error("onaird {installed} did not take over: {text}")]
    NotStarted { installed: String, text: String },
    #[error("after the upgrade {text}\n{}", remedy(previous))]
    NotWell { previous: String, text: String },
}

impl UpgradeError {
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::OnAir(..) => BUSY,
            _ => REFUSED,
        }
    }
}

/// The remedy when the new daemon is not as it should be.
fn remedy(previous: &str) -> String {
    format!(
        "Why:  journalctl -u onaird -n 50; onairctl health\n\
         Back: apt install --allow-downgrades ./onair_{previous}-*.deb && systemctl reset-failed onaird && \
         systemctl restart onaird"
    )
}

/// Why no command runs with the daemon of another host.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HostError {
    /// The command needs memory, files or programs of the daemon's machine.
    #[error(
        "{command} works on its own machine only: run `ssh {host} onairctl {command} …`, or leave out --host and \
         ONAIR_HOST"
    )]
    OwnMachine { command: &'static str, host: String },
    /// ssh would read the path of the socket as something else.
    #[error(
        "ssh cannot forward {}: give the absolute path of the socket on the host, without : % $ and \\",
        .0.display()
    )]
    Socket(PathBuf),
    /// There is no process for ssh.
    #[error("cannot start ssh through setpriv: {0}")]
    Start(io::Error),
    /// ssh has exited: it said why.
    #[error("no connection to {0} ({1}): check that `ssh {0}` logs in")]
    Ended(String, ExitStatus),
    /// The login took too long.
    #[error("{0} did not finish the login in time: check that `ssh {0}` logs in")]
    Late(String),
    /// The host has no such socket, or another user's.
    #[error(
        "no daemon answers at {0}: check that onaird runs there, and that your user there may open the socket"
    )]
    NoDaemon(String),
}

impl HostError {
    /// ssh to `host` is no more.
    pub(crate) fn ended(host: &str, status: io::Result<ExitStatus>) -> Self {
        match status {
            Ok(status) => Self::Ended(host.to_owned(), status),
            Err(error) => Self::Start(error),
        }
    }

    /// The exit code.
    pub(crate) const fn code(&self) -> u8 {
        match self {
            Self::OwnMachine { .. } | Self::Socket(_) => USAGE,
            _ => UNREACHABLE,
        }
    }
}
