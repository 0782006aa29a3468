//! The clients of a session: how they join, who they are, and what the session keeps of those that left.
//!
//! Not here: one attachment ([`super::attachment`]).

pub(super) mod admission;
pub mod blockers;
pub(super) mod connected;
pub(super) mod former_clients;
pub(super) mod naming;
