//! Sections about what listens, and how much of the daemon its users may take.

pub(super) mod control;
pub(super) mod limits;
