//! The probe thread: loads the BPF program with aya, arms clients' files, proves that it can see.
//!
//! What lives here: the owner of the kernel objects ([`kernel`](self)), the
//! bounded look at a client's address space, the registration of those who may
//! be counted, and the reading of who is blocked. What never does: session
//! state, policies and verdicts; those are the daemon's.
//!
//! Threads. Attaching takes milliseconds, detaching a tenth of a second per
//! site, and a client's file may lie on a file system that never answers. So
//! one thread owns programs and links, another drops links, each client is
//! looked at by a thread of its own, and a supervisor answers when a deadline
//! passes. The maps are read and written straight from the caller's thread.
//!
//! Nothing is pinned: all of it is gone when the process is gone.

#![forbid(unsafe_code)]

pub mod share;

mod arm;
mod attached;
mod canary;
mod config;
mod error;
mod events;
mod fair;
mod folder;
mod health;
mod kernel;
mod load;
mod maps;
mod modified;
mod multi;
mod probe;
mod reading;
mod registry;
mod site_checker;
mod sleepers;
mod supervisor;
mod text;

pub use arm::{Armed, WatchedFile};
pub use canary::Proof;
pub use config::ProbeConfig;
pub use error::{Blind, ProbeError};
pub use events::{Events, ProbeEvent};
pub use health::{Health, State};
pub use onair_ebpf::process::SurveyError;
pub use onair_ebpf::sites::{Site, SiteKind};
pub use probe::{Closing, Probe};
pub use reading::{Reading, Waiter};
pub use site_checker::{Seen, SiteChecker};
