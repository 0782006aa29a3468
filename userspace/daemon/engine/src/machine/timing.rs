//! Time, and work that is done later.

use std::pin::Pin;
use std::time::{Duration, Instant};

use crate::clock::Clocks;

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
