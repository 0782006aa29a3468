//! Requests of operators and clients, and their answers.
//!
//! Not here: when a request is served ([`super::turn`]).

pub(super) mod actions;
pub(super) mod clients;
pub(super) mod evictions;
pub(super) mod find;
pub(super) mod operators;
pub(super) mod recordings;
pub(super) mod reload;
pub(super) mod retarget;
pub(super) mod snapshots;
