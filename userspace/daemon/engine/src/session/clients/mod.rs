//! The clients of a session: how they join, their processes, and the record of clients that left.
//!
//! Not here: one attachment ([`super::attachment`]).

pub(super) mod admission;
pub mod blockers;
pub(super) mod connected;
pub(super) mod former_clients;
pub(super) mod naming;
