//! The library against a daemon of its own: a thread that speaks the messages and lends frames of
//! real shared memory.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod attach;
mod buffers;
mod draining;
mod ending;
mod event_fd;
mod evicted;
mod fake;
mod guards;
mod hostile;
mod stopping;
mod wrong_uses;
