//! Memory of sessions and clients on its way back to the kernel.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use onair_api::SessionId;
use onair_ipc::freshness::Freshness;
use onair_ipc::memfd::Memfd;
use onair_session::RetiredMemory;

use crate::clock::Clocks;

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
