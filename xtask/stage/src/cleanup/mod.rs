//! What a run leaves on the machine: its record, what takes it down, and the proof that nothing stayed.

pub(crate) mod leftovers;
pub(crate) mod record;
pub(crate) mod run;
pub(crate) mod snapshot;
