//! All that the engine touches of the world. The daemon is the real machine; tests may have another.
//!
//! The control thread calls it: nothing here waits for a client, a disk or a poller, but [`Timing::pause`].

mod recordings;

use std::any::Any;
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Debug;
use std::io;
use std::os::fd::BorrowedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use onair_api::{
    EventKind, ProbeMode, ProbeState, Problem, ProblemCode, PtpHealth, SessionId, ShutdownStatus,
    Timestamp, Who,
};
use onair_dataplane::Dataplane;
use onair_ipc::freshness::Freshness;
use onair_ipc::memfd::Memfd;
use onair_ipc::memory::AttachmentMemory;
use onair_probe::{ProbeError, Proof, Waiter};
use onair_session::{RetiredMemory, Walk};
use onair_settings::config::ShutdownConfig;
use onair_shares::Usage;

use crate::clients::inspection::Inspection;
use crate::clients::processes::Processes;
use crate::clock::Clocks;

pub use self::recordings::{
    About, ActiveRecording, FoundRecording, Launch, Launched, RecorderEvent, RecordingCheck,
    Recordings,
};

/// The world.
pub trait Machine:
    Any + Debug + Send + Timing + ProbeAccess + ClientAccess + MemoryReturn + Surroundings
{
    /// Ports and pollers.
    fn dataplane(&self) -> &Dataplane;
    /// The same, to change them.
    fn dataplane_mut(&mut self) -> &mut Dataplane;
    /// Makes files and pictures of packets.
    fn recordings(&self) -> &dyn Recordings;
    /// The daemon's shutdown.
    fn shutdown(&self) -> &dyn Shutdown;
}

/// Access to client processes: facts that the kernel has, and messages to them.
pub trait ClientAccess {
    /// Queues a question about a process; its answer comes as a finding.
    fn inspect(&self, inspection: Inspection);
    /// When the first look that runs takes too long.
    fn inspections_due(&self) -> Option<Instant>;
    /// Gives up on looks that took too long.
    fn expire_inspections(&self, now: Instant);
    /// Facts of `/proc` that take no waiting.
    fn processes(&self) -> &dyn Processes;
    /// Tells the client when the daemon dies. Returns its place.
    ///
    /// # Errors
    /// Why it cannot.
    fn hang(&mut self, memory: &AttachmentMemory) -> Result<usize, String>;
    /// The client is gone.
    fn unhang(&mut self, place: usize);
    /// Watches a file that an attachment can write.
    fn guard(&mut self, file: BorrowedFd<'_>, owner: (u64, u64));
    /// Attachments whose files were changed with a system call.
    fn touched(&mut self) -> Vec<(u64, u64)>;
    /// Why not every client's memory is watched.
    fn guard_problem(&self) -> Option<String>;
}

/// The session that memory was of, and the user whose share it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    /// The session.
    pub session: SessionId,
    /// The user.
    pub uid: u32,
}

/// Gives memory back that no process has any more.
pub trait MemoryReturn {
    /// Whether only the daemon has a memory file open or mapped.
    ///
    /// # Errors
    /// The kernel's: it refused to answer.
    fn is_sole(&self, file: &Memfd) -> io::Result<bool>;
    /// Replaces the pages of idle frames, on a thread of its own.
    fn replace_pages(&self, of: &Arc<Freshness>);
    /// Unmaps memory that no process has any more, on a thread of its own.
    fn give_back(&self, charge: Charge, memory: RetiredMemory);
    /// Whether memory of a session is on its way back.
    fn is_returning(&self, session: SessionId) -> bool;
    /// Ready when nothing of a session is on its way back.
    fn when_returned(&self, session: SessionId) -> Later<()>;
    /// Bytes on their way back, by user.
    fn returning(&self) -> Vec<(u32, u64)>;
    /// Bytes of unmapped files whose pages the kernel still pins.
    fn pinned(&self) -> Vec<(Charge, u64)>;
    /// When [`Self::ask_for_pinned`] is due.
    fn pinned_due(&self) -> Option<Instant>;
    /// Asks for pinned pages again, if that is due.
    fn ask_for_pinned(&mut self, now: Instant);
}

/// Work that ends later.
pub type Later<T> = Pin<Box<dyn Future<Output = T>>>;

/// The machine's clocks and timers.
pub trait Timing {
    /// Its clocks.
    fn clock(&self) -> &Clocks;
    /// The time.
    fn now(&self) -> Instant {
        self.clock().now()
    }
    /// Waits, at the daemon's end.
    fn pause(&self, time: Duration);
    /// Does this beside the control thread's turns, on the same thread.
    fn spawn(&self, work: Later<()>);
    /// Ready at `at`.
    fn sleep_until(&self, at: Instant) -> Later<()>;
}

/// How the probe treats a client that attaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watching {
    /// The probe watches the client, or the attach is refused.
    Required,
    /// The probe watches the client if possible.
    Preferred,
    /// The probe is not used.
    Off,
}

/// The probe, if it runs.
pub trait ProbeAccess {
    /// Whether the probe sees, and why not.
    fn probe_state(&self) -> (ProbeState, Option<String>);
    /// The configured mode.
    fn probe_mode(&self) -> ProbeMode;
    /// Sets how strictly its readings count from now on.
    fn set_probe_mode(&mut self, mode: ProbeMode);
    /// When the daemon's own canary last succeeded.
    fn canary_at(&self) -> Option<Timestamp>;
    /// Passes a canary through the daemon's own site.
    fn test_probe(&self);
    /// Whether the probe sees, if it is required.
    ///
    /// # Errors
    /// `probe_blind`.
    fn check_probe(&self) -> Result<(), Problem>;
    /// Callers blocked in a session, for a list.
    fn waiters(&self, session: u64) -> Vec<Waiter>;
    /// Callers blocked at an index of its counters; `None` without a probe.
    fn blocked(&self, index: u32) -> Option<Result<u64, ProbeError>>;
    /// Reads the kernel's counts of blocked callers.
    fn walk(&self, sessions: &[SessionId]) -> Box<dyn Walk + '_>;
    /// Registers a client; without a probe there is nothing to do.
    ///
    /// # Errors
    /// The probe's.
    fn register(
        &self,
        client: &Proof,
        session: u64,
        attachment: u64,
        index: u32,
    ) -> Result<(), ProbeError>;
    /// Takes it off again.
    ///
    /// # Errors
    /// The probe's.
    fn unregister(&self, tgid: u32, session: u64, attachment: u64) -> Result<(), ProbeError>;
    /// How the probe treats a client that attaches.
    fn watching(&self) -> Watching;
    /// Use of its places.
    fn probe_usage(&self) -> Vec<Usage>;
}

/// Why the filter of the log was not changed.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// The filter is invalid.
    #[error("log.filter = {filter:?}: {source}")]
    Parse {
        /// The given filter.
        filter: String,
        /// The parser's error.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The environment variable is set.
    #[error("the variable {0} overrides it")]
    Overridden(&'static str),
}

/// The grandmaster that a description names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Its identity.
    pub grandmaster: [u8; 8],
    /// PTP domain.
    pub domain: u8,
}

/// The daemon's surroundings.
pub trait Surroundings {
    /// Takes over what ptp4l said last. Returns what has changed.
    fn follow_ptp(&mut self, now: Instant) -> Vec<EventKind>;
    /// Last report of ptp4l.
    fn ptp_health(&self) -> &PtpHealth;
    /// The clock that senders follow, and how often it has changed.
    fn ptp_reference(&self) -> (Option<Reference>, u64);
    /// Why the journal of resources is not written, or that the daemon before left a damaged one.
    fn journal_problem(&self) -> Option<String>;
    /// Why a restart would refuse the configuration file.
    fn file_problem(&self) -> Option<String>;
    /// A reload read the file, and this is why it is invalid.
    fn note_file(&self, invalid: Option<String>);
    /// Use of the connections of both sockets.
    fn connections(&self) -> Vec<Usage>;
    /// Sets the filter of the log.
    ///
    /// # Errors
    /// [`FilterError`]: the old one stays.
    fn set_log_filter(&self, filter: &str) -> Result<(), FilterError>;
    /// Log lines dropped since the start because standard error was not read.
    fn dropped_log_lines(&self) -> u64;
    /// Frames of these converted sessions are to be made, each of those of its source, by a process of its own. The
    /// same ones again change nothing.
    fn convert(&self, wanted: BTreeMap<u64, u64>);
    /// Whether the program of such a process is there.
    ///
    /// # Errors
    /// Why it is not, with its path.
    fn check_converter(&self) -> Result<(), String>;
    /// This one of them was evicted: it is to end, and another one takes its place.
    fn end_converter(&self, pid: u32);
    /// Why that process does not run, with what to do.
    fn conversion_fault(&self, session: u64) -> Option<String>;
    /// Bytes of the daemon's heap that are in use.
    fn heap_bytes(&self) -> u64;
}

/// The daemon is shutting down and refuses the operation. HTTP 503 `shutting_down`, `ESHUTDOWN` in
/// the client library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the daemon is shutting down")]
pub struct ShuttingDown;

impl From<ShuttingDown> for Problem {
    fn from(refusal: ShuttingDown) -> Self {
        Self::new(ProblemCode::ShuttingDown, refusal.to_string())
    }
}

/// Why the engine ends the daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndCause {
    /// A user asked for it.
    Request(Who),
    /// A poller does not work any more.
    PollerLost {
        /// Its name.
        poller: String,
        /// Why.
        reason: String,
    },
}

/// The shutdown, before it and in progress.
pub trait Shutdown: Debug {
    /// Begins it. The first cause counts.
    fn begin(&self, cause: EndCause);
    /// Whether it has begun.
    fn is_shutting_down(&self) -> bool;
    /// Whether users are not waited for any more.
    fn is_forced(&self) -> bool;
    /// Whether another daemon takes over.
    fn is_takeover(&self) -> bool;
    /// Its state, for reports.
    fn status(&self) -> ShutdownStatus;
    /// Requests refused because it had begun.
    fn operations_refused(&self) -> u64;
    /// Its configuration.
    fn config(&self) -> ShutdownConfig;
    /// Replaces the configuration, unless it has begun. `graceful`: how long users may take to leave.
    fn configure(&self, config: ShutdownConfig, graceful: Duration);
    /// Sets the number of live sessions and their users, for reports.
    fn set_progress(&self, sessions: u64, users: u64);
}

impl dyn Shutdown + '_ {
    /// Whether the daemon takes requests that begin something.
    ///
    /// # Errors
    /// [`ShuttingDown`].
    pub fn check_service(&self) -> Result<(), ShuttingDown> {
        match self.is_shutting_down() {
            true => Err(ShuttingDown),
            false => Ok(()),
        }
    }
}
