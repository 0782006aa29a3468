//! The probe thread: loads the BPF program with aya, arms clients' files, proves that it can see.
//!
//! In this crate: the owner of the kernel objects ([`kernel`](self)), the bounded check of a
//! client's address space, the registration of the processes that may be counted, and the reading
//! of blocked callers. Not in this crate: session state, policies and verdicts; those are the
//! daemon's.
//!
//! Threads. Attaching takes milliseconds, detaching a tenth of a second per site, and a client's
//! file may lie on a file system that never answers. So one thread owns programs and links, another
//! drops links, each client is checked by its own thread, and a supervisor answers when a deadline
//! passes. The maps are read and written directly from the caller's thread.
//!
//! Nothing is pinned: the kernel removes all of it when the process ends.

#![forbid(unsafe_code)]

mod clients;
mod programs;
mod threads;

mod canary;
mod config;
mod error;
mod events;
mod health;
mod probe;

pub use canary::Proof;
pub use clients::reading::{Reading, Waiter};
pub use clients::site_checker::{Looker, SiteChecker, SiteReading};
pub use config::ProbeConfig;
pub use error::{Blind, ProbeError};
pub use events::{Events, ProbeEvent};
pub use health::Health;
pub use onair_ebpf::process::SurveyError;
pub use onair_ebpf::sites::{Site, SiteKind};
pub use probe::{Closing, Probe};
pub use programs::descriptors::RefusedDescriptors;
pub use programs::openings::Openings;
pub use programs::types::KernelTypes;
pub use threads::arm::{Armed, WatchedFile};
