//! The OnAir daemon.
//!
//! One control thread owns every session ([`control::actor`]); pinned pollers own the packets
//! ([`onair_dataplane`]); the probe's threads own the kernel objects. See `docs/architecture.md`.
#![forbid(unsafe_code)]

pub mod archive;
pub mod authority;
pub mod brake;
pub mod config;
pub mod connections;
pub mod control;
mod core_list;
pub mod disk;
pub mod doctor;
pub mod error_chain;
pub mod events;
pub mod exposition;
pub mod file_guard;
mod growth;
pub mod inspector;
pub mod log;
pub mod notify;
pub mod peer;
pub mod pending_reclaim;
pub mod ptp;
pub mod reclaimer;
pub mod recorder;
pub mod refused_descriptors;
pub mod resources;
pub mod run;
mod seldom;
pub mod services;
pub mod session;
pub mod shutdown;
pub mod snapshot;
pub mod socket_file;
pub mod store;
pub mod summary;
pub mod threads;
pub mod timer;
pub mod unwritten;
pub mod waking;
pub mod watchdog;
pub mod witness;
