//! The daemon's settings and its words about itself: its configuration, the rights of its users, texts and metrics.
//!
//! Below the daemon's other parts: nothing here knows a session, a thread or a request.
#![forbid(unsafe_code)]

pub mod access;
pub mod config;
pub mod core_list;
pub mod diagnostics;
