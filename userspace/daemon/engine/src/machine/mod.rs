//! All that the engine touches of the world. The daemon is the real machine; tests may have another.
//!
//! The control thread calls it: nothing here waits for a client, a disk or a poller, but [`Timing::pause`].

mod memory;
mod probe;
mod recordings;
mod shutdown;
mod surroundings;

use std::any::Any;
use std::fmt::Debug;
use std::os::fd::BorrowedFd;
use std::time::Instant;

use onair_dataplane::Dataplane;
use onair_ipc::memory::AttachmentMemory;

use crate::clients::inspection::Inspection;
use crate::clients::processes::Processes;

pub use self::memory::{Charge, MemoryReturn};
pub use self::probe::{ProbeAccess, Watching};
pub use self::recordings::{
    About, ActiveRecording, FoundRecording, Launch, Launched, RecorderEvent, RecordingCheck,
    Recordings,
};
pub use self::shutdown::{EndCause, Shutdown, ShuttingDown};
pub use self::surroundings::{FilterError, Reference, Surroundings};
pub use memory::{Later, Timing};

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
