//! Failures of `onairctl upgrade`.

use std::path::PathBuf;

use super::{BUSY, REFUSED};

/// The unit of the package.
pub(crate) const UNIT: &str = "onaird.service";

/// Why the installed program does not run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpgradeError {
    #[error("the installed {} does not start: {text}: nothing was restarted; install the package again", program.display())]
    Program { program: PathBuf, text: String },
    #[error(
        "the installed onaird refuses the configuration: {0}: nothing was restarted; change the file"
    )]
    Configuration(String),
    #[error(
        "systemd cannot restart the daemon ({0}): end it with `onairctl shutdown --watch`, then start onaird as \
         before"
    )]
    NoSystemd(String),
    #[error(
        "pid {running} listens on the socket, and it is not the main process of {UNIT} ({unit}): restart it where \
         it was started"
    )]
    OtherProcess { running: u32, unit: String },
    #[error(
        "not restarted: {0} on air; to take {them} off air: onairctl upgrade --stop-sessions",
        them = if *.1 == 1 { "it" } else { "them" }
    )]
    OnAir(String, usize),
    #[error("onaird {installed} did not start: {text}\n{}", remedy(previous))]
    NotStarted {
        installed: String,
        previous: String,
        text: String,
    },
    #[error("after the restart {text}\n{}", remedy(previous))]
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

/// What to do when the new daemon is not as it should be.
fn remedy(previous: &str) -> String {
    format!(
        "Why:  journalctl -u onaird -n 50; onairctl health\n\
         Back: apt install --allow-downgrades ./onair_{previous}-*.deb && systemctl reset-failed onaird && \
         systemctl restart onaird"
    )
}
