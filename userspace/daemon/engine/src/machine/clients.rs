//! Client processes.

use std::os::fd::BorrowedFd;
use std::time::Instant;

use onair_ipc::memory::AttachmentMemory;

use crate::clients::inspection::Inspection;
use crate::clients::processes::Processes;

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
