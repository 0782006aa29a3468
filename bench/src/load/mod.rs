//! Processes and threads that are measured, or that load the machine.

pub(crate) mod board;
pub(crate) mod busy_core;
pub(crate) mod disk;
pub(crate) mod frame_consumer;
pub(crate) mod host;
pub(crate) mod thread_clock;
pub(crate) mod users;
