//! Threads of the daemon, as their owners and the shutdown see them.
#![forbid(unsafe_code)]

pub mod absence;
pub mod panic_text;
mod registry;
mod worker;

pub use registry::{FlushedWorker, Late, ThreadRegistry, ThreadReport, ThreadState, WorkerGuard};
pub use worker::{JobError, JobsNotDone, Worker};
