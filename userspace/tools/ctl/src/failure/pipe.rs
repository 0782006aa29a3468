//! Why a pipe of frames ends before its time.

use std::io;
use std::path::PathBuf;

use onair::{ConvertError, Error, NotPiped, NotProgramme, NotWritten, PipedError, UnitError};
use onair_essence::audio::wav::NotWav;

use super::{ABSENT, REFUSED, UNREACHABLE, USAGE};

/// Why no frames pass, or no more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PipeFailure {
    #[error("standard output is a terminal: send the frames to a program or file, or give --unix")]
    Terminal,
    #[error(
        "session {session} {}",
        if *.sends { "sends: give --send, and frames on standard input" } else { "receives: leave --send out" }
    )]
    Direction { session: String, sends: bool },
    #[error(transparent)]
    NotPiped(NotPiped),
    #[error(
        "wav, pcm and jsonl use standard output, and wav and pcm standard input: leave --reattach, --unix and --layout \
         out, and with jsonl --send"
    )]
    Plain,
    #[error("{format} is for {is_for}, but the session carries {carries}")]
    Essence {
        format: &'static str,
        is_for: &'static str,
        carries: &'static str,
    },
    #[error(transparent)]
    NotWav(NotWav),
    #[error("cannot read the samples: {0}")]
    Read(io::Error),
    #[error(transparent)]
    Unit(UnitError),
    #[error("{0}")]
    Session(Error),
    #[error("there is no session or group {0}: onairctl session list and group list show them")]
    NoSuch(String),
    #[error("{group} is a group, which is received as nut alone: or give one of its sessions: {}", members.join(", "))]
    GroupAlone { group: String, members: Vec<String> },
    #[error(transparent)]
    NotProgramme(NotProgramme),
    #[error(transparent)]
    NotWritten(NotWritten),
    #[error("session {0} was stopped: start it, then run this again")]
    Stopped(String),
    #[error("session {0} is gone: it was destroyed, or this client was evicted")]
    Gone(String),
    #[error("session {0} came back with other frames: run this again")]
    Changed(String),
    #[error("the daemon has ended, or is shutting down")]
    DaemonEnded,
    #[error("the last frames were not sent: {0}")]
    NotFlushed(Error),
    #[error(transparent)]
    Input(PipedError),
    #[error(transparent)]
    Pixels(ConvertError),
    #[error("cannot create the socket {}: {error}", path.display())]
    Socket { path: PathBuf, error: io::Error },
    #[error("cannot write the frames: {0}")]
    Write(io::Error),
}

impl PipeFailure {
    /// The exit code.
    pub(crate) const fn code(&self) -> u8 {
        match self {
            Self::Terminal
            | Self::Direction { .. }
            | Self::NotPiped(_)
            | Self::NotProgramme(_)
            | Self::GroupAlone { .. }
            | Self::Plain
            | Self::Essence { .. }
            | Self::NotWav(_)
            | Self::Input(_) => USAGE,
            Self::Session(error) | Self::NotFlushed(error) => match error {
                Error::NoSession { .. } | Error::Stale => ABSENT,
                Error::NoDaemon { .. }
                | Error::NoAnswer(_)
                | Error::ShuttingDown(_)
                | Error::Disconnected => UNREACHABLE,
                _ => REFUSED,
            },
            Self::Gone(_) | Self::NoSuch(_) => ABSENT,
            Self::DaemonEnded => UNREACHABLE,
            Self::Stopped(_)
            | Self::Unit(_)
            | Self::Changed(_)
            | Self::NotWritten(_)
            | Self::Pixels(_)
            | Self::Socket { .. }
            | Self::Read(_)
            | Self::Write(_) => REFUSED,
        }
    }

    /// A word for programs.
    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::Stopped(_) => "stopped",
            Self::Gone(_) => "gone",
            Self::DaemonEnded => "daemon_ended",
            Self::Input(_) | Self::NotWav(_) => "input_invalid",
            _ => "failed",
        }
    }
}
