//! Types that the daemon, its clients and its tools share: ids, names, times, the session specification,
//! and every document of the control API.
//!
//! A type lives here with the checks that need nothing but the value itself. Checks that need the
//! daemon's state (does this port exist? is this name taken?) and I/O live elsewhere.
//!
//! The feature `openapi` adds the schemas for the API's description (utoipa).
//!
//! Requests refuse unknown fields, so that a misspelt option is an error and not a default. Answers
//! accept them: a program written against an older version keeps working when fields are added.
#![forbid(unsafe_code)]

pub mod blocker;
pub mod certificate;
pub mod config;
pub mod event;
pub mod eviction;
pub mod group;
pub mod health;
pub mod id;
pub mod listed;
pub mod operations;
pub mod problem;
pub mod ptp;
pub mod recent;
pub mod recording;
pub mod request;
pub mod session;
pub mod session_problem;
pub mod shutdown;
pub mod signal;
pub mod spec;
pub mod time;
pub mod timing;
pub mod verdict;
pub mod who;

mod etag;
mod text;
mod whole;

pub use blocker::{Blocker, BlockerKind, BlockerList, HeldFrame, WaitsIn};
pub use certificate::query::CertificateQuery;
pub use certificate::{
    Certificate, CertificateList, CertificateSummary, Counts, Disagreement, Memory, Operation,
    Reconciled, ReconciledCause, ReconciledWhat, Step, StepName, StoppedBefore, Versions,
};
pub use config::{ActiveConfig, ConfigChange, ConfigRefusal, Reload, ReloadOutcome};
pub use event::{Event, EventKind, EventName, NoSuchKind};
pub use eviction::{Eviction, EvictionCause, EvictionList};
pub use group::{GroupMembership, JoinedBy, Querier};
pub use health::{
    ClockHealth, Dataplane, Health, HealthStatus, PollerHealth, PortHealth, PortMulticast,
    PortSteering, PortWake, PortXdp, Probe, ProbeMode, ProbeState, SessionTally, ShareUse,
    WatchedFile, WatchedSite,
};
pub use id::{SessionId, SessionName, SessionRef};
pub use listed::{ListedSession, SessionList};
pub use problem::{Problem, ProblemCode, ProblemPage};
pub use ptp::{
    PtpGrandmaster, PtpHardwareClock, PtpHealth, PtpPort, PtpPortState, PtpState, PtpTimestamping,
};
pub use recent::RecentTraffic;
pub use recording::{
    ProducerCounts, RecordedFile, RecordedFrames, RecordingCounts, RecordingEnd, RecordingError,
    RecordingFormat, RecordingId, RecordingList, RecordingName, RecordingRef, RecordingRepair,
    RecordingSpec, RecordingState, RecordingSummary, RecordingView,
};
pub use request::{DestroyWait, Flush, Flushed};
pub use session::{AttachmentState, AttachmentView, SessionCounters, SessionState, SessionView};
pub use session_problem::{PeerState, SessionProblem, SessionProblemKind};
pub use shutdown::{
    PartOutcome, PartReport, PhaseTime, PortSummary, SessionOutcome, SessionSummary, ShutdownPhase,
    ShutdownStatus, ShutdownSummary, ThreadSummary, ThreadTraffic,
};
pub use signal::{Arriving, ArrivingSamples, Signal, SignalState};
pub use spec::{
    Convert, ConvertedSession, Direction, Flow, FlowDocument, FlowPatch, FlowSource,
    MAX_FRAME_TIMEOUT_MS, NewSession, NewSessionDocument, NewSessionError, SessionPatch,
    SessionSpec, Source, SpecDocument, SpecError, SpecErrors, VideoDocument, VideoPatch,
};
pub use text::{did_you_mean, is_unprintable, nearest, printable};
pub use time::Timestamp;
pub use timing::{
    Compliance, ComplianceVerdict, SessionTiming, TimingInterval, TimingLevel, TimingLevels,
    TimingRange, TimingSchedule, TimingSource,
};
pub use verdict::{Reading, Says, Verdict, Witness, WordOf};
pub use who::{Via, Who};
