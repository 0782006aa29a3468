//! `[control]` and `[attach]`: the two sockets.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::ConfigError;

/// `[control]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Control {
    /// Path of the HTTP socket.
    pub socket: PathBuf,
    /// Its mode, octal.
    pub mode: String,
    /// Its group; members may do everything but shut the daemon down.
    pub group: Option<String>,
}

impl Default for Control {
    fn default() -> Self {
        Self {
            socket: "/run/onair/control.sock".into(),
            mode: "0660".into(),
            group: None,
        }
    }
}

/// `[attach]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Attach {
    /// Path of the SOCK_SEQPACKET socket.
    pub socket: PathBuf,
    /// Its mode, octal.
    pub mode: String,
}

impl Default for Attach {
    fn default() -> Self {
        Self {
            socket: "/run/onair/attach.sock".into(),
            mode: "0660".into(),
        }
    }
}

impl Control {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        check_mode("control.mode", &self.mode)
    }
}

impl Attach {
    pub(super) fn check(&self, control: &Control) -> Result<(), ConfigError> {
        if self.socket == control.socket {
            return Err(ConfigError::value(
                "attach.socket",
                self.socket.display(),
                "give a path of its own; control.socket has this one",
            ));
        }
        check_mode("attach.mode", &self.mode)
    }
}

fn check_mode(key: &str, mode: &str) -> Result<(), ConfigError> {
    if u32::from_str_radix(mode, 8).is_ok_and(|mode| mode <= 0o777) {
        return Ok(());
    }
    Err(ConfigError::value(
        key,
        mode,
        "give an octal mode, as \"0660\"",
    ))
}
