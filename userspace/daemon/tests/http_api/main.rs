//! The control API over a real Unix socket, with an actor that only plays sessions.
#![expect(non_snake_case, reason = "subject__action__then_result")]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod actor;
mod client;

mod bodies;
mod connections;
mod document;
mod events;
mod evictions;
mod metrics;
mod recordings;
mod sessions;
mod shutdown;
