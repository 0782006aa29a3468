//! The API served in this process: an actor that only plays sessions, and a client.

pub(crate) mod actor;
pub(crate) mod client;
pub(crate) mod documents;
