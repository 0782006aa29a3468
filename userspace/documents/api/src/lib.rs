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

pub mod certificate;
pub mod daemon;
pub mod event;
pub mod group;
pub mod group_name;
pub mod id;
pub mod operations;
pub mod problem;
pub mod recording;
pub mod session;
pub mod spec;
pub mod time;
pub mod who;

mod text;

pub use certificate::{
    Certificate, CertificateList, CertificateSummary, Counts, Disagreement, Memory, Operation,
    Reconciled, ReconciledCause, ReconciledWhat, Step, StepName, StoppedBefore, Versions,
};
pub use daemon::{
    ActiveConfig, ArrivingFlow, ArrivingList, ClockHealth, ConfigChange, ConfigRefusal, Dataplane,
    Health, HealthStatus, PartOutcome, PartReport, PhaseTime, PollerHealth, PollerList,
    PollerState, PortHealth, PortMulticast, PortSteering, PortSummary, PortWake, PortXdp, Probe,
    ProbeMode, ProbeState, PtpGrandmaster, PtpHardwareClock, PtpHealth, PtpPort, PtpPortState,
    PtpState, PtpTimestamping, Reload, ReloadOutcome, SessionOutcome, SessionSummary, SessionTally,
    ShareUse, ShutdownPhase, ShutdownStatus, ShutdownSummary, Successor, ThreadSummary,
    ThreadTraffic, WatchedFile, WatchedSite,
};
pub use event::{Event, EventKind, EventName, NoSuchKind};
pub use group::{
    GroupEnded, GroupList, GroupMember, GroupPatch, GroupView, MAX_MEMBERS, MemberPatch, NewGroup,
    NewGroupDocument,
};
pub use group_name::{GroupName, GroupNameError};
pub use id::{SessionId, SessionName, SessionRef};
pub use operations::{CertificateQuery, DestroyWait, Flush, Flushed};
pub use problem::{Problem, ProblemCode, ProblemPage};
pub use recording::{
    ProducerCounts, RecordedFile, RecordingCounts, RecordingEnd, RecordingError, RecordingFormat,
    RecordingGap, RecordingId, RecordingList, RecordingName, RecordingRef, RecordingRepair,
    RecordingRestart, RecordingSpec, RecordingState, RecordingSummary, RecordingView,
};
pub use session::{
    Arriving, AttachmentState, AttachmentView, Blocker, BlockerKind, BlockerList, CounterMetric,
    Eviction, EvictionCause, EvictionList, GroupMembership, HeldFrame, JoinedBy, LegState, Legs,
    ListedSession, MissedUnits, NextFlow, PeerState, Querier, Reading, RecentTraffic, Says,
    SessionCounter, SessionCounters, SessionList, SessionProblem, SessionProblemKind, SessionState,
    SessionView, Signal, SignalState, Verdict, WaitsIn, Witness, WordOf,
};
pub use spec::{
    Convert, ConvertedSession, DescriptionNote, Direction, Flow, FlowDocument, FlowPatch,
    FlowSource, LegDocument, LegPatch, MAX_CONNECTED, MAX_FRAME_TIMEOUT_MS, MAX_NOTES, NewSession,
    NewSessionDocument, NewSessionError, SecondLeg, SessionPatch, SessionSpec, Source,
    SpecDocument, SpecError, SpecErrors,
};
pub use text::{did_you_mean, is_unprintable, nearest, printable};
pub use time::Timestamp;
pub use who::{Via, Who};
