//! Requesters.

use serde::{Deserialize, Serialize};

use crate::text::texts;

/// A process that sent a request, as the kernel identified it (SO_PEERCRED, unix(7)).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Who {
    /// Effective user id at connect.
    pub uid: u32,
    /// Effective group id at connect.
    pub gid: u32,
    /// Process id in the daemon's pid namespace; 0 if the process is not visible there.
    pub pid: u32,
    /// Its `/proc/PID/comm` (15 bytes at most), read when the connection was accepted. Empty if it
    /// could not be read. The process chose it: it is for people, never for a decision.
    pub command: String,
    /// Channel of the request.
    pub via: Via,
}

/// Channel of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Via {
    /// HTTP on the control socket.
    #[serde(rename = "control.sock")]
    Control,
    /// A client's message on the attach socket.
    #[serde(rename = "attach.sock")]
    Attach,
    /// The daemon itself: when it shuts down, or for its own converter.
    #[serde(rename = "daemon")]
    Daemon,
}

texts! { Via: Control "control.sock", Attach "attach.sock", Daemon "daemon" }

impl std::fmt::Display for Who {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let command = if self.command.is_empty() {
            "?"
        } else {
            &self.command
        };
        write!(
            f,
            "{command} (pid {}, uid {}) via {}",
            self.pid, self.uid, self.via
        )
    }
}
