//! A request, from its head and body to the action that the peer may ask for.

pub(super) mod admitted;
pub(super) mod body;
