//! The daemon's sessions as flows of an MXL domain (Media eXchange Layer), and flows as sessions.
//!
//! Threads: one for each session that becomes a flow ([`inward`]) and for each flow that becomes a session
//! ([`outward`]). Each attaches by the client library, which attaches again by itself, and has its own view of the domain,
//! by the MXL library that [`libmxl`] loads. [`flow`] says what a flow is, [`domain`] what its files are, [`control`] lets `onair-nmos`
//! see and switch what is carried. Neither end waits
//! for the other: what cannot be written or sent is counted, said once, and tried again.
//!
//! No daemon file knows MXL: this is one client of the attach socket.
#![deny(unsafe_code)]

pub mod control;
pub mod domain;
mod ending;
pub mod flow;
pub mod inward;
mod kept;
#[expect(unsafe_code, reason = "the C interface of libmxl")]
pub mod libmxl;
pub mod outward;
mod run;
pub mod settings;
mod switch;
mod totals;
mod trouble;

pub use ending::Ending;
pub use run::{RunError, run};
pub use switch::{Position, Switch};
pub use totals::Totals;
