//! Failures of `--host`, and their exit codes.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use super::{UNREACHABLE, USAGE};

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
