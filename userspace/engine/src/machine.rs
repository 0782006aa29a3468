//! All that the engine touches of the world. The daemon is the real machine; tests may have another.

use std::any::Any;
use std::fmt::Debug;
use std::io;
use std::os::fd::BorrowedFd;
use std::pin::Pin;
use std::time::{Duration, Instant};

use onair_api::{EventKind, ProbeMode, ProbeState, Problem, PtpHealth, SessionId, Timestamp};
use onair_dataplane::Dataplane;
use onair_ipc::memfd::Memfd;
use onair_ipc::memory::AttachmentMemory;
use onair_probe::share::Usage;
use onair_probe::{ProbeError, Proof, Waiter};
use onair_session::{RetiredMemory, Walk};

use crate::clients::inspection::Inspection;
use crate::clients::processes::Processes;
use crate::clock::Clocks;

/// Work that ends later.
pub type Later<T> = Pin<Box<dyn Future<Output = T>>>;

/// The grandmaster that a description names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Its identity.
    pub grandmaster: [u8; 8],
    /// PTP domain.
    pub domain: u8,
}

/// The session that memory was of, and the user whose share it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    /// The session.
    pub session: SessionId,
    /// The user.
    pub uid: u32,
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

/// The world. The control thread calls it: nothing here waits for a client, a disk or a poller, but
/// [`Self::pause`].
pub trait Machine: Any + Debug + Send {
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

    /// Ports and pollers.
    fn dataplane(&self) -> &Dataplane;
    /// The same, to change them.
    fn dataplane_mut(&mut self) -> &mut Dataplane;

    // The probe.

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

    // Client processes and their memory.

    /// Queues a question about a process; its answer comes as a finding.
    fn inspect(&self, inspection: Inspection);
    /// When the first look that runs takes too long.
    fn inspections_due(&self) -> Option<Instant>;
    /// Gives up on looks that took too long.
    fn expire_inspections(&self, now: Instant);
    /// What `/proc` says at once.
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
    /// Whether only the daemon has a memory file open or mapped.
    ///
    /// # Errors
    /// The kernel's: it refused to answer.
    fn is_sole(&self, file: &Memfd) -> io::Result<bool>;
    /// Unmaps memory that no process has any more, on a thread of its own.
    fn give_back(&self, charge: Charge, memory: RetiredMemory);
    /// Whether memory of a session is on its way back.
    fn is_returning(&self, session: SessionId) -> bool;
    /// Ready when nothing of a session is on its way back.
    fn when_returned(&self, session: SessionId) -> Later<()>;
    /// Bytes on their way back, by user.
    fn returning(&self) -> Vec<(u32, u64)>;
    /// Bytes of files that no process has, but the kernel with pages of them.
    fn pinned(&self) -> Vec<(Charge, u64)>;
    /// When [`Self::ask_for_pinned`] is due.
    fn pinned_due(&self) -> Option<Instant>;
    /// Asks for pinned pages again, if that is due.
    fn ask_for_pinned(&mut self, now: Instant);

    // The daemon itself.

    /// Takes over what ptp4l said last. Returns what has changed.
    fn follow_ptp(&mut self, now: Instant) -> Vec<EventKind>;
    /// What ptp4l said.
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
}
