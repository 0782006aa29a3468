//! Answers that do not come from the actor as one document.
//!
//! Not here: the operations' routes ([`super::router`]).

pub(super) mod answers;
pub(super) mod config;
pub(super) mod events;
pub(super) mod metrics;
pub(super) mod shutdown;
