//! The control API over a real Unix socket, with an actor that only plays sessions.

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
