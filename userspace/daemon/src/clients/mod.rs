//! What the daemon watches and does in client processes, beside their sessions: it inspects
//! their threads, guards their memory files, and wakes their sleepers.
//!
//! Nothing here decides about a session.

pub mod file_guard;
pub mod inspection;
pub mod inspector;
pub mod probe_news;
pub mod processes;
pub mod threads;
pub mod waking;
