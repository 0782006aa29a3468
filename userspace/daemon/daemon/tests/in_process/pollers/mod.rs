//! Pollers of a whole daemon are in trouble.

mod deaths;
mod heirs;
mod stalls;
mod stalls_that_end;
