//! The control API over a real Unix socket, with an actor that only plays sessions.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod arriving;
mod bodies;
mod conditions;
mod connections;
mod document;
mod events;
mod evictions;
mod metrics;
mod recordings;
mod served;
mod sessions;
mod shutdown;
