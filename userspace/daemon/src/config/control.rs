//! `[control]` and `[attach]`: the control socket and the attach socket.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::ConfigError;

/// `[control]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Control {
    /// Path of the HTTP socket.
    pub socket: PathBuf,
    /// File mode of the socket, octal.
    pub mode: String,
    /// Group of the socket.
    pub group: Option<String>,
    /// Role of the members of `group`.
    pub group_role: Role,
    /// Roles of other users and groups.
    pub role: Vec<RoleOf>,
}

/// Role of a user's or a group's processes. With several roles, a process may do what any of them
/// allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// May do everything except shut the daemon down and reload its configuration.
    Operate,
    /// May see and use every session; may change only its own.
    Attach,
    /// May create sessions and do everything with them; nothing with sessions of others.
    Own,
}

impl Role {
    /// The name in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Operate => "operate",
            Self::Attach => "attach",
            Self::Own => "own",
        }
    }
}

/// `[[control.role]]`: exactly one of `user` and `group`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RoleOf {
    /// A user, by name or number.
    #[serde(default)]
    pub user: Option<String>,
    /// A group, by name or number.
    #[serde(default)]
    pub group: Option<String>,
    /// The role.
    pub role: Role,
}

impl Default for Control {
    fn default() -> Self {
        Self {
            socket: "/run/onair/control.sock".into(),
            mode: "0660".into(),
            group: None,
            group_role: Role::Attach,
            role: Vec::new(),
        }
    }
}

/// `[attach]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Attach {
    /// Path of the SOCK_SEQPACKET socket.
    pub socket: PathBuf,
    /// File mode of the socket, octal.
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
        for entry in &self.role {
            if entry.user.is_some() == entry.group.is_some() {
                return Err(ConfigError::value(
                    "control.role",
                    entry.role.name(),
                    "give a user or a group, not both",
                ));
            }
        }
        check_mode("control.mode", &self.mode)
    }
}

impl Attach {
    pub(super) fn check(&self, control: &Control) -> Result<(), ConfigError> {
        if self.socket == control.socket {
            return Err(ConfigError::value(
                "attach.socket",
                self.socket.display(),
                "give another path: control.socket uses this one",
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
        "give an octal mode, such as \"0660\"",
    ))
}
