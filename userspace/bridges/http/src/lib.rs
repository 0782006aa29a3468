//! The HTTP server of the programs beside the daemon.
//!
//! [`serve`] answers a listener within [`Limits`]: connections of each address, the size and time of each part of a
//! request, the time in which a client reads. Addresses take turns ([`Turns`]). [`tls`] has its certificates. What a path answers is the program's own.
#![forbid(unsafe_code)]

mod body;
mod peers;
mod serve;
pub mod tls;
mod turns;

pub use body::{BodyError, whole};
pub use peers::{Peer, PeerPlace, Peers};
pub use serve::{Limits, serve};
pub use turns::{Taking, Turns, give_way};
