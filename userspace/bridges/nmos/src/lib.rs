//! The daemon's sessions as NMOS senders and receivers, seen and switched by the controllers of a plant.
//!
//! Tasks: [`watch`] follows the daemon by its control socket and gives [`onair_control::Facts`]. [`connection`] (IS-05) holds what
//! controllers have staged and activated, and carries it out by requests to the daemon. Of both, the node (IS-04) makes
//! its resources, which its HTTP server shows and its registration sends to the registry. [`monitor`] (BCP-008) judges what
//! the daemon says of each session, [`control`] (IS-12) shows controllers what it reports.
//!
//! [`mxl`] follows `onair-mxl` by its control socket: what it carries are senders and receivers, too.
//!
//! No daemon file knows NMOS: this is one client of the control socket, and nothing that it holds decides about a session.
#![forbid(unsafe_code)]

// Some tests here share what those beside them have.
#[cfg(test)]
extern crate self as onair_nmos;

pub mod connection;
pub mod control;
pub mod discovery;
pub mod endpoint;
mod essence;
mod facts;
mod identity;
mod inputs;
pub mod model;
pub mod monitor;
pub mod mxl;
pub mod node_api;
pub mod registration;
pub mod resources;
mod run;
pub mod server;
pub mod settings;
pub mod system;
mod tai;
mod tls;

pub use facts::watch;
pub use identity::Ids;
pub use inputs::Inputs;
pub use run::{RunError, run};
pub use tai::{NoTime, Tai};
