//! `[control]` and `[attach]`: the control socket and the attach socket.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::ConfigError;
use crate::config::error::within;

/// `[control]`: the socket for operators (HTTP/JSON)
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Control {
    /// Path, at most 107 bytes. The daemon creates a missing folder (0755).
    pub socket: PathBuf,
    /// Mode of the socket's file, an octal string.
    pub mode: String,
    /// Group of both sockets' files, by name or number.
    pub group: Option<String>,
    /// Role of the members of `group`.
    pub group_role: Role,
    /// Roles of other users and groups.
    pub role: Vec<RoleOf>,
}

/// Role of a user's or a group's processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// everything with every session. Not: shut the daemon down, reload its configuration.
    Operate,
    /// see and use every session; change only its own. It cannot create sessions.
    Attach,
    /// create sessions and do everything with them; nothing with sessions of others.
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

/// `[[control.role]]`: rights of other users and groups (repeatable)
///
/// A process may do what any of its roles allows; root and the daemon's user everything
/// ([table](security.md#roles)). Roles do not open the sockets: `mode` and `group` decide first.
///
/// ```toml
/// [control]
/// group = "onair"
///
/// [[control.role]]
/// group = "onair-operators"     # its members are in "onair", too, or cannot connect
/// role = "operate"
/// ```
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RoleOf {
    /// A user, by name or number. Give `user` or `group`, not both.
    #[serde(default)]
    pub user: Option<String>,
    /// A group, by name or number; also a supplementary one.
    #[serde(default)]
    pub group: Option<String>,
    /// Rights of its processes, as `group_role`.
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

/// `[attach]`: the socket for clients
///
/// The daemon replaces only a socket on which no daemon listens.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Attach {
    /// Path, at most 107 bytes, different from `control.socket`.
    pub socket: PathBuf,
    /// Mode of the socket's file.
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
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
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
    pub(crate) fn check(&self, control: &Control) -> Result<(), ConfigError> {
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

/// `[metrics]`: metrics over TCP
///
/// Every peer that reaches this port can read the metrics. The control socket serves them, too.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Metrics {
    /// Address and port that serve `GET /metrics`, such as `"127.0.0.1:9090"`.
    pub listen: Option<SocketAddr>,
    /// Connections at a time; others wait.
    pub connections: usize,
}

impl Metrics {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        within("metrics.connections", self.connections, 1..=1024)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            listen: None,
            connections: 8,
        }
    }
}
