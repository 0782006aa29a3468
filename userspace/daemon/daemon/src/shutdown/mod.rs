//! Shutdown of the daemon.
//!
//! Every part registers how to end it with the [`ShutdownCoordinator`].
//! [`ShutdownCoordinator::run`] runs these phase by phase, as `sequence` decides. No cleanup depends
//! on code after a main loop. Nothing here ends the process: `main` does, with the exit status that
//! follows from the [`Report`].
//!
//! | phase | what happens | registered as |
//! |---|---|---|
//! | STOP_ACCEPTING | every part is notified; requests that begin something get 503; workers accept no new work | notifications |
//! | DRAINING | sessions are stopped; the daemon waits for their users and destroys the sessions | waiters, by priority |
//! | CLEANUP | listening sockets close, requests in flight are answered; threads, ports, EAL and probe end | servers, then cleanups by priority |
//! | SHUTDOWN | the summary | |

mod cause;
mod coordinator;
mod countdown;
mod exit;
mod operations;
mod registration;
mod run;
mod sequence;
mod shared;
mod signals;
mod start;
#[cfg(test)]
mod tests;
mod wakeup;

pub use cause::Cause;
pub use coordinator::ShutdownCoordinator;
pub use exit::Exit;
pub use operations::{ActiveOperationGuard, ShuttingDown};
pub use run::Report;
pub use shared::parts::{LeftBehind, Limit, PartError, Waiting};
pub use signals::{HANDLED, SignalError, Signals, meaning};
pub use wakeup::Wakeup;
