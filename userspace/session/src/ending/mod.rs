//! The way of a session from stop to destroyed or quarantined, and what remains of it.

pub(crate) mod drain;
pub(crate) mod quarantine;
pub(crate) mod rescan;
pub(crate) mod retired;
pub(crate) mod together;
pub(crate) mod warnings;
