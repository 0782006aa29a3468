//! How a command ends.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use onair_types::{Problem, ProblemCode};

use crate::args::Cli;
use crate::{output, render};

/// Done.
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

/// A certificate does not hold.
pub(crate) const FORGED: u8 = 6;

/// Why a command did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Nobody is at the socket.
    #[error("cannot reach the daemon at {}: {error}: {}", socket.display(), advice(error))]
    Unreachable {
        socket: PathBuf,
        error: std::io::Error,
    },
    /// Somebody is there and does not answer.
    #[error(
        "the daemon at {} did not answer within {}: look at its log, or give a longer --timeout",
        socket.display(),
        render::human(*patience)
    )]
    NoAnswer { socket: PathBuf, patience: Duration },
    /// The connection broke before the answer.
    #[error("the daemon at {} closed the connection before it answered: {error}", socket.display())]
    Broken {
        socket: PathBuf,
        error: hyper::Error,
    },
    /// The events came to their end.
    #[error("the daemon at {} has ended, and the events with it", socket.display())]
    Ended { socket: PathBuf },
    /// The daemon said no.
    #[error("{0}")]
    Refused(Box<Problem>),
    /// The answer is none that this program understands.
    #[error(
        "the answer is none of this API's ({0}): is it onaird of this version that listens there?"
    )]
    Alien(String),
    /// A file that cannot be used.
    #[error("{0}")]
    Input(String),
    /// Standard output is gone.
    #[error("cannot write: {0}")]
    Output(#[from] std::io::Error),
}

fn advice(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::NotFound => {
            "start onaird, or name its socket with --socket or ONAIR_SOCKET"
        }
        std::io::ErrorKind::ConnectionRefused => {
            "nobody listens there (a daemon was killed); start onaird"
        }
        std::io::ErrorKind::PermissionDenied => "ask as root or as a member of the socket's group",
        _ => "is it the control socket of onaird?",
    }
}

impl Failure {
    /// The exit code that stands for it.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Unreachable { .. }
            | Self::NoAnswer { .. }
            | Self::Broken { .. }
            | Self::Ended { .. } => UNREACHABLE,
            Self::Input(_) => USAGE,
            Self::Alien(_) | Self::Output(_) => REFUSED,
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

    /// Says what went wrong on standard error; with `--json` the problem itself goes to standard
    /// output. Returns the exit code.
    pub(crate) fn report(&self, cli: &Cli) -> u8 {
        if let Self::Output(error) = self
            && error.kind() == std::io::ErrorKind::BrokenPipe
        {
            // `… | head`: the reader has enough.
            return DONE;
        }
        let text = match self {
            Self::Refused(problem) if cli.json => {
                // The exit code says it already when nobody reads standard output.
                drop(output::json(problem.as_ref()));
                format!("onairctl: {}\n", render::printable(&problem.to_string()))
            }
            Self::Refused(problem) => {
                // What follows goes to standard error, which may be a terminal when output is not.
                console::set_colors_enabled(console::colors_enabled_stderr());
                render::problem::render(problem)
            }
            other => format!("onairctl: {}\n", render::printable(&other.to_string())),
        };
        // Nothing is left to be told when standard error is gone too.
        drop(std::io::stderr().write_all(text.as_bytes()));
        self.code()
    }
}
