//! The daemon: the control thread with the real cores, and a poller for each session. What names
//! `onair-session` is here.
//!
//! The driver is a stand-in of `onair-engine`. The engine's own needs the data plane, the probe, the settings and the
//! workers on simulated words, too: five more crates that are built twice, and DPDK linked into the simulator. What
//! pollers are told by there (queues, event descriptors) would have to become words that a life steps between.

mod answers;
mod control;
mod effects;
mod ending;
mod poller;
#[path = "../../../../gate/session/tests/played/seen.rs"]
mod seen;
mod shutdown;
mod view;

pub(crate) use self::answers::refuse_rest;
pub(crate) use self::control::{Control, request, who};
pub(crate) use self::poller::{Commands, poller};
pub(crate) use self::seen::{Played, Seen};
