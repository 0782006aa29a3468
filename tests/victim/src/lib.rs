//! What a victim of the kill matrix is told, and the tally that it leaves behind.
#![forbid(unsafe_code)]

mod job;
mod tally;

pub use job::{Job, LabelAction, Role, Trap};
pub use tally::{Phase, Ran, Tally};
