//! The library against a test daemon: a thread that speaks the protocol and loans frames of real
//! shared memory.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod attach;
mod buffers;
mod draining;
mod ending;
mod event_fd;
mod fake;
mod frames;
mod guards;
mod hostile;
mod stopping;
mod wrong_uses;
