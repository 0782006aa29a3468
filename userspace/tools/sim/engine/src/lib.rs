//! Lives of the engine: the daemon's actor on a simulated machine, with sessions of all kinds, operators and clients of
//! several users, and what may go wrong around them. A seed is a life, the same to the byte each time.
//!
//! The core's own lives (`onair-sim`) have real callers, whose every step is a choice. Here the unit is a request, an
//! event or a step of the clock, and what is driven is all of the engine: sessions and groups, clients, recordings,
//! shares, certificates, persistent sessions, the shutdown.
//!
//! | file or folder | noun |
//! |---|---|
//! | `plan`, `narrow` | who does what, and when |
//! | `air` | what comes over the network |
//! | `cast` | the sessions and the users |
//! | `stage` | what is so: the daemon, the clients, the open requests |
//! | `deeds` | what operators, clients and the world do |
//! | `oracle` | what must be so |
//! | `life` | one life |
#![forbid(unsafe_code)]

mod air;
mod cast;
mod deeds;
mod life;
mod narrow;
mod oracle;
mod plan;
mod stage;

pub use self::life::{EngineReport, live};
pub use self::plan::{EngineDeed, EngineDeedKind, EnginePlan};
