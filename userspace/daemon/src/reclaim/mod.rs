//! Memory of ended sessions: it is freed when no process has it mapped.

pub mod pending_reclaim;
pub mod reclaimer;
