//! Failures of a command and their exit codes.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use onair_api::{Problem, ProblemCode};

use crate::args::{Cli, Noun};
use crate::capture::CaptureError;
use crate::command::{export::ExportError, session, upgrade::UpgradeError};
use crate::{flags, output, reach, render};

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
        render::human(*patience)
    )]
    NoAnswer { socket: PathBuf, patience: Duration },
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
    /// The installed program does not run.
    #[error(transparent)]
    Upgrade(#[from] UpgradeError),
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
            Self::Upgrade(error) => error.code(),
            Self::Alien(_) | Self::Output(_) | Self::NoDaemonProgram { .. } => REFUSED,
            Self::Refused(problem) => match problem.code {
                ProblemCode::Busy | ProblemCode::DeadlinePassed | ProblemCode::Quarantined => BUSY,
                ProblemCode::NoSuchSession
                | ProblemCode::NoSuchAttachment
                | ProblemCode::NoSuchRecording
                | ProblemCode::StaleSession
                | ProblemCode::NotFound => ABSENT,
                _ => REFUSED,
            },
        }
    }

    /// Prints the failure to standard error. With `--json` a problem also goes to standard output
    /// as JSON. Returns the exit code.
    pub(crate) fn report(&self, cli: &Cli) -> u8 {
        if let Self::Output(error) = self
            && error.kind() == std::io::ErrorKind::BrokenPipe
        {
            // `… | head`: the reader closed the pipe.
            return DONE;
        }
        let text = match self {
            Self::Refused(problem) if cli.json => {
                // The exit code reports the problem if standard output is closed.
                drop(output::json(problem.as_ref()));
                let problem = flags::translated(cli, problem);
                format!("onairctl: {}\n", render::printable(&problem.to_string()))
            }
            Self::Refused(problem) => {
                // This text goes to standard error, which may be a terminal when standard output is
                // not.
                console::set_colors_enabled(console::colors_enabled_stderr());
                render::problem::render(&flags::translated(cli, problem), &advice(cli, problem))
            }
            other => format!("onairctl: {}\n", render::printable(&other.to_string())),
        };
        // If standard error is closed, there is no channel left.
        drop(std::io::stderr().write_all(text.as_bytes()));
        self.code()
    }
}

/// What to do about `problem` of this command.
fn advice(cli: &Cli, problem: &Problem) -> String {
    let general = match (problem.code, &cli.noun) {
        (ProblemCode::NoSuchSession, _) if is_about_certificates(cli) => {
            "`onairctl certificate list` lists the certificates."
        }
        (ProblemCode::DeadlinePassed, Noun::Session(session::Verb::Flush { .. })) => {
            "Wait longer; the flush has changed nothing."
        }
        (ProblemCode::DeadlinePassed, Noun::Session(_)) => {
            "End or evict these users, or wait longer; the session stays stopped."
        }
        (ProblemCode::DeadlinePassed, Noun::Record(_)) => {
            "Wait: the recording finishes as soon as the disk allows it."
        }
        (code, _) => code.advice(),
    };
    let stopped = problem.blockers.iter();
    let stopped = stopped.filter(|it| it.is_stopped());
    let pids: BTreeSet<_> = stopped.map(|it| it.pid.to_string()).collect();
    if pids.is_empty() {
        return general.to_owned();
    }
    let pids = pids.into_iter().collect::<Vec<_>>().join(" ");
    format!("Let stopped processes go on: `kill -CONT {pids}`. {general}")
}

/// Whether the session that the command names is one that is destroyed.
pub(crate) fn is_about_certificates(cli: &Cli) -> bool {
    matches!(
        &cli.noun,
        Noun::Certificate(_) | Noun::Session(session::Verb::Certificate { .. })
    )
}
