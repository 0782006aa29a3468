//! Health of the daemon.

use serde::{Deserialize, Serialize};

use super::{Dataplane, Probe, PtpHealth};
use crate::id::SessionName;
use crate::text::texts;
use crate::time::Timestamp;

/// Answer of `GET /v1/health`: 200 when ready, 503 with the same body when not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Health {
    /// Summary.
    pub status: HealthStatus,
    /// The control thread answers. True in every answer; without an answer it is false.
    pub live: bool,
    /// Sessions can be created, attached to and destroyed.
    pub ready: bool,
    /// Problems, each in one sentence with what to do. Empty when `ok`.
    pub problems: Vec<String>,
    /// Version of onaird.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// The kernel's boot id (`/proc/sys/kernel/random/boot_id`).
    pub boot_id: String,
    /// When it started.
    pub started_at: Timestamp,
    /// Milliseconds since then, by the monotonic clock.
    pub uptime_ms: u64,
    /// The probe.
    pub probe: Probe,
    /// Ports and pollers.
    pub dataplane: Dataplane,
    /// Sessions by state.
    pub sessions: SessionTally,
    /// Certificates that are in the daemon's memory only, because the disk did not accept them.
    #[serde(default)]
    pub unwritten_certificates: u64,
    /// Limits that users share, with their use.
    #[serde(default)]
    pub shares: Vec<ShareUse>,
    /// The clock of send sessions.
    pub clock: ClockHealth,
}

/// The clock that frames and RTP timestamps of send sessions follow: the kernel's `CLOCK_TAI`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ClockHealth {
    /// TAI minus UTC in seconds, as the kernel was told (adjtimex(2)). 0 means that it was not told: then
    /// timestamps are of UTC, not of TAI as ST 2059-1 wants them.
    pub tai_minus_utc_s: u64,
    /// How often the clock was set since the daemon's start, by a millisecond or more.
    pub times_set: u64,
    /// Facts about it from ptp4l.
    pub ptp: PtpHealth,
}

/// A limit that users share, with its use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ShareUse {
    /// The objects that the limit counts.
    #[cfg_attr(
        feature = "openapi",
        schema(examples("connections on the attach socket"))
    )]
    pub what: String,
    /// Key of the limit in the configuration.
    #[cfg_attr(feature = "openapi", schema(examples("limits.connections")))]
    pub key: String,
    /// For a limit of each session: the session nearest to it.
    pub session: Option<SessionName>,
    /// Number of places.
    pub limit: u64,
    /// Used places.
    pub used: u64,
    /// Places reserved for root and operators.
    pub reserved: u64,
    /// Most places for one user, except root.
    pub per_uid: u64,
    /// Most places for one process, except a process of root.
    pub per_process: u64,
    /// The user with the most places.
    pub greatest_uid: Option<u32>,
    /// Places of that user.
    pub greatest: u64,
    /// Requests for a place that were refused since the start.
    pub refused: u64,
}

/// Summary of the health.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum HealthStatus {
    /// No problem.
    Ok,
    /// The daemon works with fewer features than configured; `problems` lists them.
    Degraded,
    /// The probe is required and not proven to see. The daemon refuses attaches and destroys.
    ProbeBlind,
}

texts! { HealthStatus: Ok "ok", Degraded "degraded", ProbeBlind "probe_blind" }

/// Number of sessions by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct SessionTally {
    /// Never started.
    pub created: u64,
    /// Running.
    pub running: u64,
    /// Stopped.
    pub stopped: u64,
    /// A destroy waits.
    pub draining: u64,
    /// Quarantined.
    pub quarantined: u64,
    /// Destroyed since the daemon started.
    pub destroyed: u64,
}
