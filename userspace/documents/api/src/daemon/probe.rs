//! The probe, and the files that it watches.

use serde::{Deserialize, Serialize};

use crate::text::texts;
use crate::time::Timestamp;

/// Requirement of the configuration for the probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ProbeMode {
    /// without a proven probe the daemon refuses each attach and each destroy.
    Required,
    /// used if it works. If not, health and log say so.
    Preferred,
    /// not used; every certificate records that.
    Off,
}

texts! { ProbeMode: Required "required", Preferred "preferred", Off "off" }

/// Whether the probe sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ProbeState {
    /// Loaded, and the last canary returned.
    Watching,
    /// Not proven to see; `reason` gives the cause.
    Blind,
    /// Disabled.
    Off,
}

texts! { ProbeState: Watching "watching", Blind "blind", Off "off" }

/// State of the probe, now or when a certificate was issued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Probe {
    /// Requirement of the configuration.
    pub mode: ProbeMode,
    /// Whether it sees.
    pub state: ProbeState,
    /// Why it does not see; absent if it sees.
    pub reason: Option<String>,
    /// When the daemon's own canary last returned.
    pub canary_at: Option<Timestamp>,
    /// Client files that the probe is attached to.
    pub files: Vec<WatchedFile>,
}

/// A client's file with probe sites.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WatchedFile {
    /// Path in the client's process.
    pub path: String,
    /// Device number of the file system (st_dev).
    pub device: u64,
    /// Inode number.
    pub inode: u64,
    /// GNU build id as hex digits, if the file has one.
    pub build_id: Option<String>,
    /// Sites that were found and armed.
    pub sites: Vec<WatchedSite>,
}

/// One probe site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WatchedSite {
    /// Provider and name.
    #[cfg_attr(feature = "openapi", schema(examples("onair:wait_begin")))]
    pub name: String,
    /// Offset in the file, in bytes.
    pub file_offset: u64,
}
