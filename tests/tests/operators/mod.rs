//! What operators are told.

mod alerts;
mod blockers;
mod blockers_blind;
mod certificates;
mod doctor;
mod events;
mod log;
mod signal;
mod snapshot;
mod traffic;
