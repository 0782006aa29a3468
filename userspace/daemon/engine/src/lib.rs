//! Everything between the cores that decide and the world: the actor that owns all sessions ([`actor`]), the driver
//! that carries out what a session's core decides ([`session`]), recordings, reports.
//!
//! It touches the world only through [`machine::Machine`]: no runtime, no socket, no file is named here. The daemon is
//! the real machine: it brings [`inputs`], and waits for them.
#![forbid(unsafe_code)]

pub mod actor;
pub mod clients;
pub mod clock;
mod engine;
pub mod events;
pub mod inputs;
pub mod machine;
mod mapping;
pub mod pending_reclaim;
pub mod persistence;
pub mod recorder;
pub mod reload;
pub mod report;
mod requests;
pub mod schedule;
pub mod services;
pub mod session;
pub mod sessions;
pub mod shares;
pub mod snapshots;
pub mod taps;
