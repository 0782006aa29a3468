//! The way of a session from stop to destroyed or quarantined.

pub(crate) mod drain;
pub(crate) mod quarantine;
pub(crate) mod together;
