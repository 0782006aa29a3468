//! Documents about the daemon itself: its health, its configuration, its shutdown.

mod dataplane;
mod health;
mod port;
mod probe;
mod ptp;
mod shutdown;

use serde::{Deserialize, Serialize};

use crate::text::texts;
use crate::time::Timestamp;

pub use dataplane::{ArrivingFlow, ArrivingList};
pub use dataplane::{Dataplane, PollerHealth, PollerList, PollerState};
pub use health::{ClockHealth, Health, HealthStatus, SessionTally, ShareUse};
pub use port::{PortHealth, PortMulticast, PortSteering, PortWake, PortXdp};
pub use probe::{Probe, ProbeMode, ProbeState, WatchedFile, WatchedSite};
pub use ptp::{
    PtpGrandmaster, PtpHardwareClock, PtpHealth, PtpPort, PtpPortState, PtpState, PtpTimestamping,
};
pub use shutdown::{
    PartOutcome, PartReport, PhaseTime, PortSummary, SessionOutcome, SessionSummary, ShutdownPhase,
    ShutdownStatus, ShutdownSummary, Successor, ThreadSummary, ThreadTraffic,
};

/// Answer of `GET /v1/config`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ActiveConfig {
    /// Path of the file, as given to the daemon.
    pub file: Option<String>,
    /// Every key with its active value, by table, defaults included.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub active: serde_json::Value,
    /// Result of the last reload; absent if there was none.
    pub last_reload: Option<Reload>,
}

/// Result of a reload (SIGHUP, or `POST /v1/config/reload`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Reload {
    /// When the daemon read the file.
    pub at: Timestamp,
    /// Summary of the result.
    pub outcome: ReloadOutcome,
    /// For `failed`: why the daemon rejected the file. The old configuration stays active.
    pub error: Option<String>,
    /// Keys that the daemon changed.
    pub applied: Vec<ConfigChange>,
    /// Keys that the daemon did not change.
    pub refused: Vec<ConfigRefusal>,
}

/// Summary of a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ReloadOutcome {
    /// Every change in the file is active; also used if there was none.
    Applied,
    /// Some changes need a restart of the daemon.
    Partly,
    /// The file is invalid; the current configuration stays.
    Failed,
}

texts! { ReloadOutcome: Applied "applied", Partly "partly", Failed "failed" }

/// A key with another value than before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConfigChange {
    /// Table and key, joined with a dot.
    #[cfg_attr(feature = "openapi", schema(examples("limits.sessions")))]
    pub key: String,
    /// The value before, as JSON; `null` for none.
    pub from: String,
    /// The value in the file, as JSON; `null` for none.
    pub to: String,
}

/// A change that the daemon refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConfigRefusal {
    /// The key and both values.
    #[serde(flatten)]
    pub change: ConfigChange,
    /// Why the daemon refused it, and what to do.
    pub reason: String,
}
