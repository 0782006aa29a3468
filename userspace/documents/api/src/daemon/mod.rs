//! Documents about the daemon itself: its health, its configuration, its shutdown.

mod arriving;
mod config;
mod dataplane;
mod health;
mod port;
mod probe;
mod ptp;
mod shutdown;

pub use arriving::{ArrivingFlow, ArrivingList};
pub use config::{ActiveConfig, ConfigChange, ConfigRefusal, Reload, ReloadOutcome};
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
