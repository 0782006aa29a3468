//! The driver of the sessions: carries out what their cores decide, and decides nothing itself.
//!
//! It touches the world only through [`machine::Machine`]: no runtime, no socket, no file is named here. The daemon is
//! the real machine.
#![forbid(unsafe_code)]

pub mod clients;
pub mod clock;
pub mod events;
pub mod machine;
mod mapping;
pub mod pending_reclaim;
pub mod persistence;
pub mod schedule;
pub mod services;
pub mod session;
pub mod sessions;
pub mod shares;
