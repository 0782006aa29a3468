//! The daemon's end, in one place.
//!
//! Every part registers its end with the [`ShutdownCoordinator`], and [`ShutdownCoordinator::run`]
//! goes through them, phase by phase, each with a time-out. Nothing depends on code that happens to
//! stand behind a main loop, and nothing here ends the process: `main` does, with the status that
//! follows from the [`Report`].
//!
//! | phase | what happens | who |
//! |---|---|---|
//! | STOP_ACCEPTING | every part is told; requests that begin something get 503; no worker takes on anything new | notifications |
//! | DRAINING | sessions are stopped, users waited for, sessions destroyed | waiters, by priority |
//! | CLEANUP | listening sockets close, requests in flight are answered; threads, ports, EAL, probe end | servers, then cleanups by priority |
//! | SHUTDOWN | the summary | |

mod cause;
mod children;
mod coordinator;
mod countdown;
pub mod emergency;
mod exit;
mod hooks;
mod operations;
mod parts;
mod sequence;
mod signals;
mod start;
#[cfg(test)]
mod tests;
mod wakeup;
mod workers;

pub use cause::Cause;
pub use children::{Children, OwnChild};
pub use coordinator::ShutdownCoordinator;
pub use exit::Exit;
pub use operations::{ActiveOperationGuard, ShuttingDown};
pub use parts::{Limit, Waiting};
pub use sequence::Report;
pub use signals::{HANDLED, SignalError, Signals};
pub use wakeup::Wakeup;
pub use workers::{Flushed, Late, ThreadRegistry, ThreadReport, ThreadState, WorkerGuard};
