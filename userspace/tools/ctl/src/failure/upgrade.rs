//! Failures of `onairctl upgrade`.

use std::path::PathBuf;

use super::{BUSY, REFUSED};

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
