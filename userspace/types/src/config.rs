//! The configuration that is in force, and what came of reading the file anew.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Answer of `GET /v1/config`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ActiveConfig {
    /// The file, as it was given to the daemon.
    pub file: Option<String>,
    /// Every key with the value that is in force, by table, defaults included.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub active: serde_json::Value,
    /// What came of the last reload; absent if there was none.
    pub last_reload: Option<Reload>,
}

/// What came of reading the file anew (SIGHUP, or `POST /v1/config/reload`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Reload {
    /// When.
    pub at: Timestamp,
    /// In one word.
    pub outcome: ReloadOutcome,
    /// Why nothing was taken, for `failed`: the old configuration is in force.
    pub error: Option<String>,
    /// What has changed.
    pub applied: Vec<ConfigChange>,
    /// What stays as it was.
    pub refused: Vec<ConfigRefusal>,
}

/// A reload in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ReloadOutcome {
    /// All that was changed in the file is in force; also when nothing was.
    Applied,
    /// Some of it needs a new start.
    Partly,
    /// The file does not hold: nothing of it was taken.
    Failed,
}

impl std::fmt::Display for ReloadOutcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Applied => "applied",
            Self::Partly => "partly",
            Self::Failed => "failed",
        })
    }
}

/// A key with another value than before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConfigChange {
    /// Table and key.
    #[cfg_attr(feature = "openapi", schema(examples("limits.sessions")))]
    pub key: String,
    /// The value before, as JSON; `null` for none.
    pub from: String,
    /// The value in the file, as JSON; `null` for none.
    pub to: String,
}

/// A change that was not made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConfigRefusal {
    /// Which.
    #[serde(flatten)]
    pub change: ConfigChange,
    /// Why not, and what to do.
    pub reason: String,
}
