//! The OnAir daemon.
//!
//! One control thread owns every session ([`onair_engine::actor`]); pinned pollers own the packets
//! ([`onair_dataplane`]); the probe's threads own the kernel objects. See `docs/architecture.md`.
#![forbid(unsafe_code)]

pub mod clients;
pub mod control;
pub mod converter;
pub mod doctor;
pub mod file_watch;
pub mod handoff;
pub mod log;
pub mod persistence;
pub mod process;
pub mod ptp;
pub mod real_machine;
pub mod reclaimer;
pub mod recorder;
pub mod resources;
pub mod run;
pub mod shutdown;
pub mod snapshot;
pub mod sockets;
pub mod takeover;
pub mod witness;
