//! Types of the control API: what `onaird` reads and writes on `control.sock`, and `onairctl`
//! writes and reads.
//!
//! Here live documents (serde + OpenAPI) and the checks that need nothing but the document itself.
//! What needs the daemon's state (is this port there? is that name taken?) never lives here, nor
//! does any I/O.
//!
//! Requests refuse unknown fields, so that a misspelt option is an error and not a default.
//! Answers do not: a program written against an older version keeps working when fields are added.
#![forbid(unsafe_code)]

pub mod blocker;
pub mod certificate;
pub mod config;
pub mod event;
pub mod eviction;
pub mod health;
pub mod id;
pub mod problem;
pub mod recording;
pub mod request;
pub mod session;
pub mod shutdown;
pub mod spec;
pub mod time;
pub mod verdict;
pub mod who;

mod whole;

pub use blocker::{Blocker, BlockerKind, BlockerList, HeldFrame, WaitsIn};
pub use certificate::query::CertificateQuery;
pub use certificate::verify::{Check, Outcome, Unverifiable, Verification, verify};
pub use certificate::{
    Certificate, CertificateList, CertificateSummary, Counts, Disagreement, Memory, Operation,
    Reconciled, ReconciledCause, ReconciledWhat, Step, StepName, StoppedBefore, Versions,
};
pub use config::{ActiveConfig, ConfigChange, ConfigRefusal, Reload, ReloadOutcome};
pub use event::{Event, EventKind, EventName, NoSuchKind};
pub use eviction::{Eviction, EvictionCause, EvictionList};
pub use health::{
    Dataplane, Health, HealthStatus, PollerHealth, PortHealth, Probe, ProbeMode, ProbeState,
    SessionTally, ShareUse, WatchedFile, WatchedSite,
};
pub use id::{SessionId, SessionName, SessionRef};
pub use problem::{Problem, ProblemCode, ProblemPage};
pub use recording::{
    ProducerCounts, RecordedFile, RecordedFrames, RecordingCounts, RecordingEnd, RecordingError,
    RecordingFormat, RecordingId, RecordingList, RecordingName, RecordingRef, RecordingRepair,
    RecordingSpec, RecordingState, RecordingSummary, RecordingView,
};
pub use request::{DestroyWait, Flush, Flushed};
pub use session::{
    AttachmentState, AttachmentView, SessionCounters, SessionList, SessionState, SessionView,
};
pub use shutdown::{
    PartOutcome, PartReport, PhaseTime, PortSummary, SessionOutcome, SessionSummary, ShutdownPhase,
    ShutdownStatus, ShutdownSummary, ThreadSummary, ThreadTraffic,
};
pub use spec::{
    Depth, Direction, Flow, FlowDocument, FlowSource, FrameRate, SessionSpec, Source, SpecDocument,
    SpecError, SpecErrors, VideoDocument, VideoFormat,
};
pub use time::Timestamp;
pub use verdict::{Reading, Says, Verdict, Witness, WordOf};
pub use who::{Via, Who};
