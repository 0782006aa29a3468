//! The daemon's sockets before the first message: their files, the limit of connections, their
//! turns, and the descriptors that they refuse.
//!
//! Not here: the protocols ([`crate::control`]).

pub mod connections;
pub mod socket_file;
pub mod turns;
