//! The daemon's watches and actions in client processes, beside their sessions: it inspects their threads, guards
//! their memory files, and wakes their sleepers.
//!
//! Nothing here decides about a session.

pub mod file_guard;
pub mod inspector;
pub mod threads;
